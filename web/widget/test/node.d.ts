// The little of Node that the tests use, so that type checking needs no further package.
declare module 'node:test' {
  export function test(name: string, body: () => void | Promise<void>): void;
  export function after(body: () => void | Promise<void>): void;
  export const mock: { timers: { enable(options: { apis: string[]; now: number }): void; tick(milliseconds: number): void; reset(): void } };
}
declare module 'node:assert/strict' {
  interface Assert {
    equal(actual: unknown, expected: unknown, message?: string): void;
    notEqual(actual: unknown, expected: unknown, message?: string): void;
    deepEqual(actual: unknown, expected: unknown, message?: string): void;
    ok(value: unknown, message?: string): asserts value;
    match(value: string, pattern: RegExp, message?: string): void;
    throws(body: () => unknown, error?: unknown): void;
    rejects(promise: Promise<unknown>, error: (cause: never) => boolean): Promise<void>;
  }
  const assert: Assert;
  export default assert;
}
declare module 'node:fs' {
  export function readFileSync(path: string, encoding: string): string;
}
declare module '*/stand-in.mjs' {
  export interface StandIn {
    url: string;
    siteKey: string;
    counts: { sessions: number; replays: number; posts: number; streams: number; sockets: number; sends: number; cut: number };
    frames: { t: string; on?: boolean; seq?: number }[];
    conversations: Map<string, { id: string; events: { seq: number; kind: string; message?: { text: string; client_id?: string; author: { kind: string } } }[] }>;
    listen(port?: number): Promise<void>;
    stop(): Promise<void>;
    restart(): Promise<void>;
    setFaults(faults: Record<string, unknown>): void;
    forgetVisitors(): void;
    emit(conversation: string, event: Record<string, unknown>): void;
    frame(conversation: string, frame: Record<string, unknown>): void;
    pass(conversation: string, event: Record<string, unknown>): void;
  }
  export function createStandIn(options?: { pace?: number; chunk?: number; rooms?: boolean }): StandIn;
}
declare module 'ws' {
  export const WebSocket: typeof globalThis.WebSocket;
}
declare const process: { env: Record<string, string | undefined>; cwd(): string };
