import { Chat, type ChatModule } from '../chat';
import { ru } from '../i18n/ru';
import { borrow } from '../kit';

export const version: ChatModule['version'] = VERSION;
export const openChat: ChatModule['openChat'] = (shell) => (borrow(shell.kit), new Chat(shell, ru));
