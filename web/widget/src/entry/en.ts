import { Chat, type ChatModule } from '../chat';
import { en } from '../i18n/en';

export const version: ChatModule['version'] = VERSION;
export const openChat: ChatModule['openChat'] = (shell) => new Chat(shell, en);
