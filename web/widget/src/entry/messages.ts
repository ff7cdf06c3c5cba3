import { Messages, type MessagesModule } from '../messages';

export const version: MessagesModule['version'] = VERSION;
export const showMessages: MessagesModule['showMessages'] = (place) => new Messages(place);
