import { borrow } from '../kit';
import { Messages, type MessagesModule } from '../messages';

export const version: MessagesModule['version'] = VERSION;
export const showMessages: MessagesModule['showMessages'] = (place) => (borrow(place.kit), new Messages(place));
