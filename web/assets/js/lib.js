// Preact and htm, put together once.
import { h, render, Fragment } from '../vendor/preact.mjs';
import htm from '../vendor/htm.mjs';

export { render, Fragment };
export { useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState, useCallback } from '../vendor/hooks.mjs';
export const html = htm.bind(h);
/** The directory of this version of the page. */
export const base = new URL('..', import.meta.url).pathname;
