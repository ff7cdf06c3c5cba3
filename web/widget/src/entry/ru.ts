import { Chat, type ChatModule } from '../chat';
import { ru } from '../i18n/ru';

export const version: ChatModule['version'] = VERSION;
export const openChat: ChatModule['openChat'] = (shell) => new Chat(shell, ru);
