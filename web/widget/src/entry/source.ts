import { borrow } from '../kit';
import { CitationCard, type SourceModule } from '../view/citation-card';

export const version: SourceModule['version'] = VERSION;
export const makeCard: SourceModule['makeCard'] = (sheet) => (borrow(sheet.kit), new CitationCard(sheet));
