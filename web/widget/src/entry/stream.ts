import { readStream as read, type StreamModule } from '../stream';

export const version: StreamModule['version'] = VERSION;
export const readStream: StreamModule['readStream'] = read;
