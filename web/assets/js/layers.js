// What lies over a view: dialogs that code asks for, and word of changes with a way back.
import { html, useEffect, useLayoutEffect, useReducer, useRef, useState } from './lib.js';
import { Icon, announce } from './ui.js';

/** How long a change can be undone, in milliseconds. */
export const UNDO_MS = 10_000;
/** How long word of a change stays when there is nothing more to do about it. */
const STAYS_MS = 5_000;
/** More of them would hide the view: the oldest goes. */
const TOLD_MAX = 3;

const dialogs = [];
const told = [];
const watchers = new Set();
let number = 0;
const changed = () => watchers.forEach(watch => watch());

/** Shows a dialog: `draw(close)` draws it, with `Dialog` around. Resolves to what `close` is given, to nothing where it was left. */
export function openDialog(draw) {
  return new Promise(resolve => {
    const one = { id: ++number, draw };
    one.close = answer => {
      const at = dialogs.indexOf(one);
      if (at < 0) return;
      dialogs.splice(at, 1);
      changed();
      resolve(answer);
    };
    dialogs.push(one);
    changed();
  });
}

/** A dialog: over the view, on a phone a sheet at its foot. `side`: at the right edge, for facts beside a list. */
export function Dialog({ heading, close, side, children, actions, describe }) {
  const box = useRef();
  const id = useRef(`dialog-${++number}`).current;
  useLayoutEffect(() => {
    const element = box.current;
    element.showModal();
    // Closed before it is taken away, so that whoever had the focus gets it back.
    return () => element.close();
  }, []);
  const outside = event => { if (event.target === box.current) close(); };
  return html`<dialog ref=${box} class=${`ask ${side ? 'side' : ''}`} aria-labelledby=${id} aria-describedby=${describe ? `${id}-text` : undefined} onCancel=${event => { event.preventDefault(); close(); }} onClick=${outside}>
    <div class="ask-in"><h2 id=${id} class="wrap">${heading}</h2><div id=${`${id}-text`} class="ask-text">${children}</div>${actions && html`<div class="ask-end">${actions}</div>`}</div></dialog>`;
}

/** Says what comes of something that cannot be undone, and asks. `verb` is what the button says. Resolves to whether it shall be. */
export const confirm = ({ heading, verb, words }) => openDialog(close => html`<${Dialog} heading=${heading} close=${close} describe actions=${html`
  <button type="button" class="btn" onClick=${() => close(false)}>Cancel</button><button type="button" class="btn stop" onClick=${() => close(true)}>${verb}</button>`}>${words}</${Dialog}>`).then(Boolean);

/**
 * Asks for lines of text: `fields`, each `{name, label, value, hint}`. `check(values)` resolves to what is wrong with them, in a
 * sentence, or to nothing. Resolves to the values by their names; to nothing where the dialog was left.
 */
export const askFor = question => openDialog(close => html`<${AskFor} ...${question} close=${close}/>`);

function AskFor({ heading, fields, verb, words, check, close }) {
  const [values, setValues] = useState(Object.fromEntries(fields.map(field => [field.name, field.value ?? ''])));
  const [fault, setFault] = useState(null);
  const [busy, setBusy] = useState(false);
  const first = useRef();
  // Behind the dialog's own choice of what has the focus.
  useEffect(() => { first.current.focus(); first.current.select(); }, []);
  const submit = async event => {
    event.preventDefault();
    if (busy) return;
    const trimmed = Object.fromEntries(Object.entries(values).map(([name, text]) => [name, text.trim()]));
    setBusy(true);
    const wrong = await Promise.resolve().then(() => check?.(trimmed)).catch(error => error.message);
    setBusy(false);
    setFault(wrong ?? null);
    if (wrong) first.current?.focus(); else close(trimmed);
  };
  const type = name => event => { setValues({ ...values, [name]: event.target.value }); setFault(null); };
  const described = field => [fault && 'ask-fault', field.hint && `ask-hint-${field.name}`].filter(Boolean).join(' ') || undefined;
  return html`<${Dialog} heading=${heading} close=${close}><form class="ask-form" onSubmit=${submit}>
    ${words && html`<p class="dim">${words}</p>`}
    ${fields.map((field, at) => html`<div class="ask-field" key=${field.name}><label for=${`ask-${field.name}`}>${field.label}</label>
      <div class="field"><input id=${`ask-${field.name}`} ref=${at ? undefined : first} autocomplete="off" autocapitalize="none" spellcheck="false" value=${values[field.name]} aria-invalid=${fault ? 'true' : undefined} aria-describedby=${described(field)} onInput=${type(field.name)}/></div>
      ${field.hint && html`<p class="sm dim" id=${`ask-hint-${field.name}`}>${field.hint}</p>`}</div>`)}
    <div role="alert" id="ask-fault">${fault && html`<p class="problem"><${Icon} name="octagon-x"/><span class="wrap">${fault}</span></p>`}</div>
    <div class="ask-end"><button type="button" class="btn" onClick=${() => close()}>Cancel</button><button type="submit" class="btn pri" aria-disabled=${String(busy)}>${verb}</button></div></form></${Dialog}>`;
}

const Facts = ({ heading, facts, others }) => html`<section class="version"><h3>${heading}</h3><dl class="dl">${facts.map(([words, value], at) =>
  html`<dt key=${words}>${words}</dt><dd class=${value === others[at]?.[1] ? '' : 'differs'}>${value || html`<span class="dim">none</span>`}</dd>`)}</dl></section>`;

/**
 * Somebody else was first: shows both versions, each a list of `[what, value]`. Resolves to `'mine'` or `'theirs'`; to nothing
 * where the dialog was left, and then theirs stays.
 */
export const askVersions = ({ heading, who, mine, theirs }) => openDialog(close => html`<${Dialog} heading=${heading} close=${close} actions=${html`
  <button type="button" class="btn" onClick=${() => close('theirs')}>Leave theirs</button><button type="button" class="btn pri" onClick=${() => close('mine')}>Put mine in its place</button>`}>
  <p>${who ? `${who} has changed it meanwhile.` : 'Somebody else has changed it meanwhile.'} Nothing is lost: say which is to stay.</p>
  <div class="versions"><${Facts} heading="There now" facts=${theirs} others=${mine}/><${Facts} heading="Yours" facts=${mine} others=${theirs}/></div></${Dialog}>`);

/**
 * Word of a change: `title`; `steps`, each `{state, words, detail, href}` with `doing`, `done` or `bad` for a state; `notes`;
 * `fault` and `again`, what to do about it; `undo`, for ten seconds from when it is there; `about`: what it is about, of which
 * only the newest word stands, and what is under way. Answers with what changes it.
 */
export function tell(one) {
  const entry = { id: ++number, steps: [], notes: [], left: UNDO_MS, stays: STAYS_MS, ...one };
  if (entry.about) told.filter(other => other.about === entry.about && !other.fault && !underWay(other)).forEach(drop);
  put(entry);
  return {
    update(changes) {
      Object.assign(entry, changes);
      // What was not made is told even where its word was closed meanwhile.
      if (changes.fault && !told.includes(entry)) put(entry);
      else changed();
    },
    drop: () => drop(entry),
  };
}

/** Nobody knows yet what comes of it. */
const underWay = entry => entry.steps.some(step => step.key === 'saved' && step.state === 'doing');

function put(entry) {
  told.push(entry);
  if (told.length > TOLD_MAX) drop(told.slice(0, TOLD_MAX).find(one => !underWay(one)) ?? told[0]);
  changed();
}

function drop(entry) {
  const at = told.indexOf(entry);
  if (at < 0) return;
  told.splice(at, 1);
  entry.gone?.();
  changed();
}

function undo(entry) {
  const back = entry.undo;
  const had = document.activeElement?.closest('.tray');
  entry.undo = null;
  drop(entry);
  // Whoever came there by keyboard is not left nowhere.
  if (had) document.getElementById('main')?.focus({ preventScroll: true });
  back();
}

/** Undoes what was changed last, as long as that is possible; whether it was. */
export function undoNewest() {
  const entry = told.findLast(one => one.undo);
  if (entry) undo(entry);
  return Boolean(entry);
}

// Time stands still for what is looked at: nobody is hurried who reads, or moves there by keyboard.
const PACE_MS = 250;
setInterval(() => {
  // Behind a dialog nobody reaches them.
  if (!told.length || document.hidden || dialogs.length) return;
  const held = document.querySelector('.tray')?.matches(':hover, :focus-within');
  if (held) return;
  for (const entry of [...told]) {
    if (entry.undo) {
      entry.left -= PACE_MS;
      if (entry.left <= 0) entry.undo = null;
    } else if (!entry.fault && entry.steps.every(step => step.state === 'done')) {
      entry.stays -= PACE_MS;
      if (entry.stays <= 0) drop(entry);
    }
  }
  changed();
}, PACE_MS);

const STEPS = { doing: ['circle-dashed', 'pending'], done: ['circle-check', 'ok'], bad: ['octagon-x', 'bad'] };

function Told({ entry }) {
  const secs = Math.ceil(entry.left / 1000);
  const way = step => (step.href ? html`<a class="link" href=${step.href}>${step.words}</a>` : step.words);
  return html`<div class="toast"><div class="toast-top"><p class="t wrap">${entry.title}</p><button type="button" class="ib" aria-label="Close this message" onClick=${() => drop(entry)}><${Icon} name="x" small/></button></div>
    ${entry.steps.length > 0 && html`<ul class="steps">${entry.steps.map(step => html`<li key=${step.key ?? step.words}><${Icon} name=${STEPS[step.state][0]} kind=${STEPS[step.state][1]} small/><span>${way(step)}</span></li>`)}</ul>`}
    ${entry.steps.filter(step => step.detail).map(step => html`<p class="sm dim wrap" key=${step.detail}>${step.detail}</p>`)}
    ${entry.notes.slice(0, 3).map(note => html`<p class="sm dim wrap" key=${note}>${note}</p>`)}
    <div role="alert">${entry.fault && html`<p class="problem"><${Icon} name="octagon-x"/><span class="wrap">${entry.fault}</span></p>`}</div>
    ${(entry.undo || entry.again) && html`<div class="row">${entry.undo && html`<button type="button" class="btn" onClick=${() => undo(entry)}><${Icon} name="rotate-ccw" small/>Undo<span class="dim" aria-hidden="true">${secs} s</span></button>`}${entry.again && html`<button type="button" class="btn" onClick=${() => { drop(entry); entry.again(); }}>Try again</button>`}</div>`}</div>`;
}

/** All that lies over the views. */
export function Layers() {
  const [, draw] = useReducer(x => x + 1, 0);
  useEffect(() => {
    watchers.add(draw);
    return () => watchers.delete(draw);
  }, []);
  // What is announced is heard once, not with each second that goes by.
  const words = told.map(one => one.spoken).filter(Boolean).at(-1);
  useEffect(() => { if (words) announce(words); }, [words]);
  return html`${told.length > 0 && html`<section class="tray" aria-label="Changes">${told.map(entry => html`<${Told} key=${entry.id} entry=${entry}/>`)}</section>`}
    ${dialogs.map(one => html`<${Drawn} key=${one.id} one=${one}/>`)}`;
}

const Drawn = ({ one }) => one.draw(one.close);
