// Changes: made at once, guarded by what was seen, with their states shown and ten seconds to take them back.
import { useEffect } from './lib.js';
import { get } from './api.js';
import { askVersions, tell } from './layers.js';
import { may } from './me.js';

const listeners = new Set();

/** Calls `listen` after each change that was made from this page. */
export function useChanged(listen, inputs = []) {
  useEffect(() => {
    listeners.add(listen);
    return () => listeners.delete(listen);
  }, inputs);
}

/** Waits, unless nobody wants to know any more. */
export const pause = (ms, signal) => new Promise((resolve, reject) => {
  const left = () => { clearTimeout(timer); reject(new DOMException('left', 'AbortError')); };
  const timer = setTimeout(resolve, ms);
  if (signal.aborted) left();
  signal.addEventListener('abort', left, { once: true });
});

/** Somebody else's version was left as it is: nothing went wrong, and nothing was changed. */
class Left extends Error {}

/**
 * Makes a change and shows what becomes of it: saved, applied, in DNS.
 *
 * `title`: what was done, in few words, or what finds them in what was answered; `doing`: the same while it is under way. `write()` makes it and resolves to `{data, etag}`,
 * as `change` of api.js does. `undo(etag)` puts back what was there, guarded by that; without it the change cannot be taken back.
 * `undone`: what is said then; `about`: what is changed, in one word for all changes of the same. `follow(say, signal)` finds out how DNS stands and says it, as a step of `tell`.
 * Resolves to whether it was made.
 */
export async function carry({ title, doing, write, undo, undone, follow, about }) {
  const aborter = new AbortController();
  const toast = tell({ about, title: doing, steps: [{ key: 'saved', state: 'doing', words: 'Saving' }], gone: () => aborter.abort() });
  let made;
  try {
    made = await write();
  } catch (error) {
    if (error instanceof Left) toast.drop();
    else toast.update({ title: 'Nothing was changed', steps: [{ key: 'saved', state: 'bad', words: 'Not saved' }], fault: error.message, again: () => carry({ title, doing, write, undo, undone, follow, about }) });
    return false;
  }
  listeners.forEach(listen => listen());
  const { data, etag } = made;
  const same = data?.applied === false && !data.changes?.length;
  const steps = [{ key: 'saved', state: 'done', words: 'Saved' }];
  if (data?.applied !== undefined) steps.push({ key: 'applied', state: 'done', words: 'Applied' });
  const back = undo && !same && (() => carry({ title: undone, doing: 'Undoing', write: () => undo(etag), follow, about }));
  const words = same ? 'It was so already' : typeof title === 'function' ? title(data) : title;
  toast.update({ title: words, steps, notes: data?.effects ?? [], undo: back || null, spoken: `${words}. Saved${back ? ', undo is possible for ten seconds' : ''}.` });
  if (follow && !same) {
    const say = step => toast.update({ steps: [...steps, { key: 'dns', ...step }] });
    say({ state: 'doing', words: 'On its way to DNS' });
    follow(say, aborter.signal).then(() => listeners.forEach(listen => listen())).catch(() => {});
  }
  return true;
}

/** Says that something could not be begun, and why. */
export const tellFault = error => tell({ title: 'Nothing was changed', fault: error.message });

/** Who made the last change, where one may know that. */
async function lastActor() {
  if (!may('operate')) return null;
  const found = await get('/changes?limit=1').catch(() => null);
  return found?.changes[0]?.who ?? null;
}

const clashes = error => error.status === 412 || error.status === 409;

/**
 * Writes what was decided upon `seen`, `{etag, value}`. Where somebody else was first, looks again: a change of something else
 * is no matter, and of one of the same both versions are shown.
 *
 * `look()` resolves to `{etag, value}` as it is now; `write(etag)` writes; `same(one, other)` compares two values; `facts(value)`
 * tells one as a list of `[what, value]`; `mine`: the value that is to be written; `heading`: what the dialog is about.
 */
export async function upon({ seen, look, write, same, facts, mine, heading }) {
  let known = seen;
  for (let tries = 0; ; tries++) {
    try {
      return await write(known.etag);
    } catch (error) {
      if (!clashes(error) || tries >= 4) throw error;
      const now = await look();
      // What does not go with what is there is no other's change.
      if (now.etag === known.etag) throw error;
      if (!same(now.value, known.value)) {
        const kept = await askVersions({ heading, who: await lastActor(), mine: facts(mine), theirs: facts(now.value) });
        if (kept !== 'mine') throw new Left();
      }
      known = now;
    }
  }
}
