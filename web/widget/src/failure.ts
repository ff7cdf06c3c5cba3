// What a call may fail with. The files of the widget meet each other's errors, so they are told apart by what they say and
// not by their class; any error that is no problem means that there was no answer.

/** An answer of the server that is not a success. `status` decides what the widget does. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    /** Seconds, where the server sent Retry-After. */
    readonly retryAfter: number | null,
    /** The kind of problem: the `type` of RFC 9457. */
    readonly kind = '',
  ) {
    super(`${status} ${detail}`);
  }
}

export const isProblem = (cause: unknown): cause is Problem => typeof (cause as Partial<Problem> | null)?.status === 'number';

/** The server answered with one of these. */
export const isStatus = (cause: unknown, ...statuses: number[]): boolean => isProblem(cause) && statuses.includes(cause.status);

/** The server understood and will not change its mind: asking the same again is useless. */
export const isFinal = (cause: unknown): cause is Problem => isProblem(cause) && cause.status >= 400 && cause.status < 500 && !isStatus(cause, 408, 425, 429);

/** The service is closed for a while, and says so. */
export const isMaintenance = (cause: unknown): boolean => isProblem(cause) && cause.kind.endsWith(':maintenance');

/** The server asked for a pause: an impatient visitor does not shorten it. */
export const isThrottled = (cause: unknown): cause is Problem => isProblem(cause) && cause.retryAfter !== null;
