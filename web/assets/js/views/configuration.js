// What would this change do? The configuration's files, edited, checked while one types, and taken over.
import { Fragment, html, useEffect, useLayoutEffect, useMemo, useReducer, useRef, useState } from '../lib.js';
import { change, tagged, useApi } from '../api.js';
import { carry } from '../changes.js';
import { Dialog, openDialog } from '../layers.js';
import { difference, hunks } from '../lines.js';
import { may, useMe } from '../me.js';
import { go, withQuery } from '../router.js';
import { Empty, Head, Icon, Problem, Segments, Skeleton, absolute, plural, sentence } from '../ui.js';
import { useNarrow } from '../windows.js';

/** A line of TOML: tables and comments stand out, nothing else does. */
const kindOf = line => (/^\s*\[/.test(line) ? 'h' : /^\s*#/.test(line) ? 'c' : '');
const CHECK_MS = 600;
/** As the style sheet has it: a line's height and what is above the first. */
const LINE = 21;
const ABOVE = 12;
const TAB = 4;

const FILES = { main: 'Main file', local: 'Local file' };
const path = which => `/configuration/files/${which}`;
const LEFT_OUT = /\(left out: [0-9a-f]{8}\)/g;

// What is typed outlives the view: nobody loses a draft by looking something up.
const drafts = new Map();
addEventListener('beforeunload', event => { if ([...drafts.values()].some(draft => draft.text !== draft.base)) event.preventDefault(); });

export function Configuration({ query, status }) {
  useMe();
  return may('administer') ? html`<${Files} query=${query}/>` : html`<${Shown} status=${status}/>`;
}

/** The file as it runs, for those who may only look. */
function Shown({ status }) {
  const { data, error, reload } = useApi('/configuration');
  return html`<${Head} icon="settings-2" heading="Configuration">${data?.file ? html`<span class="mono wrap">${data.file}</span> as it runs since ${status.data ? absolute(status.data.started_at) : 'the start'}. Secrets are left out.` : ''}</${Head}>
    ${error && !data ? html`<${Problem} error=${error} retry=${reload}/>` : !data ? html`<${Skeleton} height=${320}/>` : data.text ? html`<${Listing} text=${data.text}/>`
      : html`<div class="card"><${Empty} icon="file-text" title="There is no file">The daemon was started without one.</${Empty}></div>`}`;
}

function Listing({ text }) {
  const lines = useMemo(() => text.replace(/\n$/, '').split('\n'), [text]);
  return html`<div class="card"><pre tabindex="0" role="region" aria-label="The configuration"><code class="code">${lines.map((line, at) => html`<span key=${at} class=${kindOf(line)}>${line || ' '}</span>`)}</code></pre></div>`;
}

function Files({ query }) {
  const which = query.get('file') === 'local' ? 'local' : 'main';
  const [seen, see] = useState({});
  const [error, setError] = useState(null);
  const load = async () => {
    setError(null);
    try {
      const { data, etag } = await tagged(path(which));
      see(known => ({ ...known, [which]: { ...data, etag } }));
    } catch (fault) { setError(fault); }
  };
  useEffect(() => { load(); }, [which]);
  const file = seen[which];
  const pick = one => go(withQuery({ file: one === 'main' ? '' : one }), { replace: true });
  const words = which === 'main' ? 'What the server is. Secrets are left out, and stay as they are where their words stay.' : 'Reservations, records and hosts that commands, the API and this page have made.';
  return html`<${Head} icon="settings-2" heading="Configuration">${file ? html`<span class="mono wrap">${file.name}</span>. ${words}` : ''}</${Head}>
    <div class="filters"><${Segments} label="File" value=${which} options=${Object.entries(FILES)} onPick=${pick}/></div>
    ${error?.status === 409 && /without a configuration file/.test(error.message) && !file ? html`<div class="card"><${Empty} icon="file-text" title="There is no file">The daemon was started without one.</${Empty}></div>`
      : error && !file ? html`<${Problem} error=${error} retry=${load}/>` : !file ? html`<${Skeleton} height=${420}/>` : html`<${Editor} key=${which} which=${which} file=${file} reload=${load}/>`}`;
}

/** What the server says of a text; null while it is asked. While one is written, it is not: the version that is known may be the former one by then. */
function useCheck(which, text, etag, writing) {
  const [told, tell] = useState(null);
  useEffect(() => {
    tell(null);
    if (writing) return;
    const aborter = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const { data } = await change('PUT', `${path(which)}?dry_run=true`, { body: { text }, etag, signal: aborter.signal });
        tell({ ...data, text });
      } catch (error) { if (error.name !== 'AbortError') tell({ error, text }); }
    }, CHECK_MS);
    return () => { clearTimeout(timer); aborter.abort(); };
  }, [which, text, etag, writing > 0]);
  return told;
}

function Editor({ which, file, reload }) {
  const draft = drafts.get(which);
  const [base, setBase] = useState({ text: draft?.base ?? file.text, etag: draft?.etag ?? file.etag });
  const [text, setText] = useState(draft?.text ?? file.text);
  const [writing, write] = useReducer((under, more) => under + more, 0);
  const told = useCheck(which, text, base.etag, writing);
  const area = useRef();
  const is = text !== base.text;
  useEffect(() => { if (is) drafts.set(which, { text, base: base.text, etag: base.etag }); else drafts.delete(which); }, [text, base]);
  // Loaded anew while nothing was typed: what is there now.
  useEffect(() => { if (!is && file.etag !== base.etag) { setBase({ text: file.text, etag: file.etag }); setText(file.text); } }, [file]);
  const faults = (told?.faults ?? []).filter(fault => fault.file === file.name);
  const elsewhere = (told?.faults ?? []).filter(fault => fault.file !== file.name);
  const clash = async () => {
    const { data, etag } = await tagged(path(which));
    const kept = await openDialog(close => html`<${Clash} theirs=${data.text} mine=${text} close=${close}/>`);
    if (!kept) return;
    setBase({ text: data.text, etag });
    if (kept === 'theirs') setText(data.text);
  };
  useEffect(() => { if (told?.error?.status === 412) clash().catch(() => {}); }, [told]);
  const apply = async () => {
    const former = base;
    // A secret that is not in the new text any more could not be brought back.
    const kept = (former.text.match(LEFT_OUT) ?? []).every(one => text.includes(one));
    // What the area holds as long as nobody types on: that alone gives way to what was written.
    let holds = text;
    const put = async (written, etag) => {
      write(1);
      try {
        const made = await change('PUT', path(which), { body: { text: written }, etag });
        // Written it is, even where it cannot be looked at: the change may have ended one's own session.
        const now = await tagged(path(which)).catch(() => ({ data: { text: written }, etag: made.etag }));
        const next = { text: now.data.text, etag: now.etag };
        const held = holds;
        holds = next.text;
        const draft = drafts.get(which);
        if (draft?.text === held) drafts.delete(which); else if (draft) drafts.set(which, { ...draft, base: next.text, etag: next.etag });
        setBase(next);
        setText(typed => (typed === held ? next.text : typed));
        return made;
      } finally {
        write(-1);
      }
    };
    await carry({
      title: `${FILES[which]}: ${plural(told.changes.length, 'change')} in force`, doing: 'Applying', about: path(which), undone: `${FILES[which]} is as it was`,
      write: async () => {
        try {
          return await put(text, former.etag);
        } catch (error) {
          if (error.status === 412) clash().catch(() => {});
          throw error;
        }
      },
      undo: kept ? etag => put(former.text, etag) : null,
    });
    reload();
  };
  const to = fault => {
    const lines = text.split('\n');
    const start = lines.slice(0, fault.line - 1).reduce((sum, line) => sum + line.length + 1, 0);
    const at = column => start + [...(lines[fault.line - 1] ?? '')].slice(0, column - 1).join('').length;
    area.current.focus({ preventScroll: true });
    area.current.setSelectionRange(at(fault.column), fault.end_line === fault.line ? Math.max(at(fault.column), at(fault.end_column)) : start + (lines[fault.line - 1] ?? '').length);
    scrollTo({ top: area.current.getBoundingClientRect().top + scrollY + (fault.line - 1) * LINE - innerHeight / 3 });
  };
  return html`<${Fragment}><div class="edit"><${Text} text=${text} setText=${setText} faults=${faults} to=${to} area=${area} which=${which}/></div>
    <${Outcome} told=${told} is=${is} text=${text} base=${base} faults=${faults} elsewhere=${elsewhere} apply=${apply} clash=${() => clash().catch(() => {})} revert=${() => setText(base.text)} to=${to}/></${Fragment}>`;
}

/** The text with its faults at their lines: marked beneath, and told beside, on a phone told in the list only. */
function Text({ text, setText, faults, to, area, which }) {
  const narrow = useNarrow('(max-width: 1080px)');
  const layer = useRef();
  const lines = useMemo(() => text.split('\n'), [text]);
  const at = new Set(faults.map(fault => fault.line));
  useLayoutEffect(() => { area.current.style.height = `${lines.length * LINE + 2 * ABOVE + 16}px`; }, [lines.length]);
  const slide = () => { if (layer.current) layer.current.style.transform = `translateX(${-area.current.scrollLeft}px)`; };
  const keys = event => {
    // Tab leaves, as everywhere.
    if (event.key === 'Escape') event.target.blur();
  };
  return html`<div class="card editor"><pre class="gutter" aria-hidden="true">${lines.map((_, place) => html`<span key=${place} class=${at.has(place + 1) ? 'bad' : ''}>${at.has(place + 1) ? '! ' : ''}${place + 1}</span>`)}</pre>
      <div class="paper"><div class="marks" ref=${layer} aria-hidden="true">${faults.map((fault, place) => html`<${Mark} key=${place} fault=${fault} line=${lines[fault.line - 1] ?? ''}/>`)}</div>
      <textarea ref=${area} wrap="off" spellcheck="false" autocapitalize="none" autocomplete="off" aria-label=${`Text of the ${FILES[which].toLowerCase()}`} aria-invalid=${faults.some(fault => fault.severity === 'fault') ? 'true' : undefined} aria-describedby="outcome" value=${text} onInput=${event => setText(event.target.value)} onScroll=${slide} onKeyDown=${keys}></textarea></div></div>
    ${!narrow && faults.length > 0 && html`<${Notes} faults=${faults} to=${to}/>`}`;
}

/** How many cells the first characters of a line take. */
const cells = (line, count) => [...line].slice(0, count).reduce((sum, one) => (one === '\t' ? sum + TAB - (sum % TAB) : sum + 1), 0);

function Mark({ fault, line }) {
  const from = cells(line, fault.column - 1);
  const to = fault.end_line === fault.line ? cells(line, fault.end_column - 1) : cells(line, Infinity);
  const put = element => {
    if (!element) return;
    element.style.top = `${ABOVE + (fault.line - 1) * LINE}px`;
    element.style.left = `${from}ch`;
    element.style.width = `${Math.max(1, to - from)}ch`;
  };
  return html`<i class=${fault.severity} ref=${put}></i>`;
}

/** Each beside its line; where two would meet, the later one gives way. */
function Notes({ faults, to }) {
  const box = useRef();
  useLayoutEffect(() => {
    let end = 0;
    [...box.current.children].forEach((element, at) => {
      const top = Math.max(end, ABOVE + (faults[at].line - 1) * LINE - 6);
      element.style.top = `${top}px`;
      end = top + element.offsetHeight + 8;
    });
    box.current.style.minHeight = `${end}px`;
  }, [faults]);
  return html`<ol class="notes" ref=${box} aria-label="Faults">${faults.map((fault, at) => html`<li key=${at} class=${fault.severity}><${Fault} fault=${fault} to=${to}/></li>`)}</ol>`;
}

const Fault = ({ fault, to }) => html`<${Icon} name=${fault.severity === 'fault' ? 'octagon-x' : 'triangle-alert'} kind=${fault.severity === 'fault' ? 'bad' : 'warn'} small label=${fault.severity === 'fault' ? 'Fault' : 'Warning'}/>
  <div class="wrap"><p>${to ? html`<button type="button" class="link" onClick=${() => to(fault)}>Line ${fault.line}, column ${fault.column}</button>` : html`<b>${fault.file}:${fault.line}:${fault.column}</b>`}: ${fault.message}${fault.label ? ` (${fault.label})` : ''}.</p>${fault.mend && html`<p class="dim">${sentence(fault.mend)}.</p>`}</div>`;

/** What a text comes to, in words, before it is in force. */
function Outcome({ told, is, text, base, faults, elsewhere, apply, clash, revert, to }) {
  const narrow = useNarrow('(max-width: 1080px)');
  const wrong = (told?.faults ?? []).filter(fault => fault.severity === 'fault').length;
  const different = told && !told.error && told.changes.length > 0;
  const good = told && !told.error && !wrong && !told.refused.length;
  const able = good && (is || different);
  const [icon, kind, words] = !told ? ['circle-dashed', 'pending', 'Checking…'] : told.error ? ['octagon-x', 'bad', 'It could not be checked']
    : wrong ? ['octagon-x', 'bad', `${plural(wrong, 'fault')}: nothing can be applied`] : told.refused.length ? ['octagon-x', 'bad', 'This cannot be applied while the server runs']
      : different ? ['circle-alert', 'info', `${plural(told.changes.length, 'change')}${is ? '' : ' stands in the file and is not in force'}`] : is ? ['circle-check', 'ok', 'The text is different, what it says is not'] : ['circle-check', 'ok', 'In force, as it stands here'];
  const list = (heading, lines) => lines.length > 0 && html`<div><h3>${heading}</h3><ul class="said">${lines.map(line => html`<li key=${line} class="wrap">${sentence(line)}</li>`)}</ul></div>`;
  return html`<section class="card outcome" id="outcome" aria-labelledby="outcome-h"><header><h2 id="outcome-h"><${Icon} name=${icon} kind=${kind}/><span role="status">${words}</span></h2>
      <div class="acts">${is && html`<button type="button" class="btn" onClick=${revert}>Discard</button>`}<button type="button" class="btn pri" disabled=${!able} onClick=${apply}>Apply</button></div></header>
    ${told?.error && html`<p class="wrap">${sentence(told.error.message)}${told.error.status === 412 ? '' : '.'} ${told.error.status === 412 && html`<button type="button" class="link" onClick=${clash}>Show both</button>`}</p>`}
    ${told && !told.error && html`${(narrow || !faults.length ? faults : []).concat(elsewhere).length > 0 && html`<ol class="faults">${(narrow ? faults : []).map((fault, at) => html`<li key=${at}><${Fault} fault=${fault} to=${to}/></li>`)}${elsewhere.map((fault, at) => html`<li key=${`e${at}`}><${Fault} fault=${fault}/></li>`)}</ol>`}
      ${list('Why not', told.refused)}${list('What is different', told.changes)}${list('What this does to leases', told.effects)}`}
    ${is && html`<details><summary>Changed lines</summary><${Lines} one=${base.text} other=${text}/></details>`}</section>`;
}

const SIGNS = { '=': ' ', '-': '−', '+': '+' };
const SAID = { '-': 'taken out: ', '+': 'added: ' };
function Lines({ one, other }) {
  const steps = useMemo(() => hunks(difference(one, other)), [one, other]);
  if (!steps.some(Boolean)) return html`<p class="dim sm">No line is different.</p>`;
  return html`<pre class="lines" tabindex="0" role="region" aria-label="Changed lines">${steps.map((step, at) => (step ? html`<span key=${at} class=${step.kind === '+' ? 'new' : step.kind === '-' ? 'old' : ''}><span aria-hidden="true">${SIGNS[step.kind]} </span>${SAID[step.kind] && html`<span class="vh">${SAID[step.kind]}</span>`}${step.words || ' '}</span>` : html`<span key=${at} class="dim">  ⋯</span>`))}</pre>`;
}

/** Somebody was first. */
const Clash = ({ theirs, mine, close }) => html`<${Dialog} heading="Somebody else has changed the file" close=${() => close()} actions=${html`
  <button type="button" class="btn" onClick=${() => close('theirs')}>Take theirs</button><button type="button" class="btn pri" onClick=${() => close('mine')}>Go on with mine</button>`}>
  <p>Nothing is lost. From what stands there now, yours takes out the lines with − and adds those with +. With “Go on with mine” nothing is written yet: Apply does that.</p><${Lines} one=${theirs} other=${mine}/></${Dialog}>`;
