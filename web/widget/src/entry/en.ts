import { Chat, type ChatModule } from '../chat';
import { en } from '../i18n/en';
import { borrow } from '../kit';

export const version: ChatModule['version'] = VERSION;
export const openChat: ChatModule['openChat'] = (shell) => (borrow(shell.kit), new Chat(shell, en));
