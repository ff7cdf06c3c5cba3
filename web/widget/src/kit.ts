// What the first file lends to the others, so that no visitor gets it twice. In their builds an import of one of these modules is
// what was lent (build.mjs).
//
// A browser may have kept the first file of another version, so this list, and what each piece does, only ever gets additions.

import { Backoff } from './backoff';
import { isFinal, isMaintenance, isProblem, isStatus, isThrottled, Problem } from './failure';
import { toJson } from './json';
import { Pauses } from './pauses';
import { el, icon } from './view/element';
import { addStyles } from './view/style';

export const kit = { el, icon, addStyles, toJson, Backoff, Pauses, Problem, isProblem, isStatus, isFinal, isMaintenance, isThrottled };

export type Kit = typeof kit;

/** The first thing that one of the other files does. */
export const borrow: (lent: Kit) => void = () => {};
