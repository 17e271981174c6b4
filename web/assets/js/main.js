// The frame around the views: navigation, what is found, the keys, and who reads the stream.
import { base, html, render, useEffect, useLayoutEffect, useReducer, useRef, useState } from './lib.js';
import { useApi, get } from './api.js';
import { go, placeOf, useWhere, where } from './router.js';
import { listen, useEvents, useLive } from './live.js';
import { Layers, undoNewest } from './layers.js';
import { ask, signOut, useMe } from './me.js';
import { Icon, Problem, Skeleton, announce, arrival, hostPath, span, title, useTick } from './ui.js';
import { Overview } from './views/overview.js';
import { Leases } from './views/leases.js';
import { SignIn, SignInAgain } from './views/sign-in.js';

/** A view that is fetched when somebody goes there: the first one is there the sooner. `pick` takes it from its module. */
function later(load, pick) {
  let view = null;
  return function Later(props) {
    const [fault, setFault] = useState(null);
    const [, draw] = useReducer(x => x + 1, 0);
    const fetch = () => load().then(module => { view = pick(module); setFault(null); draw(); }, () => setFault(new Error('This view could not be fetched. The server may be restarting, or be a newer one: then load the page anew.')));
    useEffect(() => { if (!view) fetch(); }, []);
    if (view) return html`<${view} ...${props}/>`;
    return fault ? html`<${Problem} error=${fault} retry=${fetch}/>` : html`<${Skeleton} height=${420}/>`;
  };
}
const Host = later(() => import('./views/host.js'), views => views.Host);
const Hosts = later(() => import('./views/hosts.js'), views => views.Hosts);
const Queries = later(() => import('./views/queries.js'), views => views.Queries);
const Subnet = later(() => import('./views/subnets.js'), views => views.Subnet);
const Subnets = later(() => import('./views/subnets.js'), views => views.Subnets);
const DnsWork = later(() => import('./views/dns-work.js'), views => views.DnsWork);
const Zone = later(() => import('./views/zones.js'), views => views.Zone);
const Zones = later(() => import('./views/zones.js'), views => views.Zones);
const Events = later(() => import('./views/events.js'), views => views.Events);
const History = later(() => import('./views/history.js'), views => views.History);
const Configuration = later(() => import('./views/configuration.js'), views => views.Configuration);
const More = later(() => import('./views/more.js'), views => views.More);

const VIEWS = [
  [/^\/$/, Overview, '/', 'Overview'],
  [/^\/leases$/, Leases, '/leases', 'Leases'],
  [/^\/hosts$/, Hosts, '/hosts', 'Hosts'],
  [/^\/hosts\/(.+)$/, Host, '/hosts', 'Host'],
  [/^\/subnets$/, Subnets, '/subnets', 'Subnets'],
  [/^\/subnets\/(.+)$/, Subnet, '/subnets', 'Subnet'],
  [/^\/zones$/, Zones, '/zones', 'Zones'],
  [/^\/zones\/(.+)$/, Zone, '/zones', 'Zone'],
  [/^\/dns-work$/, DnsWork, '/dns-work', 'DNS work'],
  [/^\/queries$/, Queries, '/queries', 'Queries'],
  [/^\/events$/, Events, '/events', 'Events'],
  [/^\/history$/, History, '/history', 'History'],
  [/^\/configuration$/, Configuration, '/configuration', 'Configuration'],
  [/^\/more$/, More, '/more', 'More'],
];
const NAVIGATION = [
  ['/', 'layout-dashboard', 'Overview', 'o'], ['/leases', 'list', 'Leases', 'l'], ['/hosts', 'monitor-smartphone', 'Hosts', 'h'], ['/subnets', 'network', 'Subnets', 's'],
  'Names', ['/zones', 'globe', 'Zones', 'z'], ['/dns-work', 'refresh-cw', 'DNS work', 'd'], ['/queries', 'activity', 'Queries', 'q'],
  'Server', ['/events', 'history', 'Events', 'e'], ['/history', 'clock', 'History', 'w'], ['/configuration', 'settings-2', 'Configuration', 'c'],
];
const LINKS = NAVIGATION.filter(Array.isArray);
const TABS = [
  ['/', 'layout-dashboard', 'Overview'], ['/leases', 'list', 'Leases'], ['/subnets', 'network', 'Subnets'],
  ['/zones', 'globe', 'Names'], ['/more', 'ellipsis', 'More'],
];

const Brand = () => html`<a class="brand" href="/"><svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M4 3h5v13h11v5H4z"/><path fill="currentColor" opacity=".55" d="M12 3h8v10h-8z"/></svg>Leasehold</a>`;

function Connection({ host, short }) {
  const live = useLive();
  useTick();
  const age = (Date.now() - live.at) / 1000;
  const words = live.state === 'live' ? (short ? 'Live' : `Live · ${host}`) : live.state === 'connecting' && age < 10 ? 'Connecting' : `Reconnecting · ${span(age)} old`;
  return html`<span class="live"><span class=${`dot ${live.state === 'live' ? '' : 'stale'}`}></span>${words}</span>`;
}

const THEMES = [['', 'sun-moon', 'As the system'], ['light', 'sun', 'Light'], ['dark', 'moon', 'Dark']];
function Theme({ menu }) {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? '');
  const at = THEMES.findIndex(([one]) => one === theme);
  const next = THEMES[(at + 1) % THEMES.length];
  const pick = () => {
    const [to] = next;
    try { to ? localStorage.setItem('theme', to) : localStorage.removeItem('theme'); } catch { /* For this page only, then. */ }
    if (to) document.documentElement.dataset.theme = to; else delete document.documentElement.dataset.theme;
    dispatchEvent(new Event('themechange'));
    setTheme(to);
    announce(`Colours: ${next[2]}`);
  };
  return html`<button type="button" onClick=${pick} title=${`Colours: ${THEMES[at][2]}. Change to: ${next[2]}`}><${Icon} name=${THEMES[at][1]} small=${!menu}/>${menu ? 'Colours' : html`<span class="vh">Colours: </span>${THEMES[at][2]}`}${menu && html`<span class="end">${THEMES[at][2]}</span>`}</button>`;
}

/** Who one is; on a machine whose users need no login, nothing. */
function Me({ menu }) {
  const { me } = useMe();
  const [fault, setFault] = useState(null);
  if (me?.known_by !== 'session') return null;
  const out = () => signOut().catch(error => setFault(error.message));
  const words = fault ?? 'Sign out';
  return menu ? html`<button type="button" onClick=${out}><${Icon} name="log-out"/>${words}<span class="end">${me.name} · ${me.role}</span></button>`
    : html`<div class="me" title=${`You may ${me.role}`}><span class="vh">Signed in as </span>${me.name} · ${me.role}</div><button type="button" onClick=${out}><${Icon} name="log-out" small/>${words}</button>`;
}

function Find({ onClose }) {
  const [text, setText] = useState('');
  const [hits, setHits] = useState([]);
  const [at, setAt] = useState(0);
  const box = useRef();
  useEffect(() => { box.current.showModal(); }, []);
  useEffect(() => {
    const aborter = new AbortController();
    const q = text.trim().toLowerCase();
    const views = LINKS.filter(one => !q || one[2].toLowerCase().includes(q)).map(([path, icon, words]) => ({ path, icon, words, end: 'View' }));
    if (!q) { setHits(views.slice(0, 8)); setAt(0); return; }
    const timer = setTimeout(async () => {
      const [leases, subnets, zones] = await Promise.all([
        get(`/leases?limit=8&q=${encodeURIComponent(q)}`, aborter.signal).catch(() => ({ rows: [], total: 0 })),
        get('/subnets', aborter.signal).catch(() => ({ subnets: [] })),
        get('/zones', aborter.signal).catch(() => ({ zones: [] })),
      ]);
      if (aborter.signal.aborted) return;
      const found = leases.rows.map(lease => ({ path: hostPath(lease), icon: 'monitor-smartphone', words: title(lease), end: lease.address }));
      if (leases.total > 8) found.push({ path: `/leases?q=${encodeURIComponent(q)}`, icon: 'list', words: `All ${leases.total} leases with “${q}”`, end: 'Leases' });
      const nets = subnets.subnets.filter(one => `${one.prefix} ${one.domain ?? ''} ${one.network ?? ''}`.toLowerCase().includes(q)).slice(0, 5);
      const apexes = zones.zones.filter(one => one.apex.includes(q)).slice(0, 5);
      setHits([...found, ...nets.map(one => ({ path: `/subnets/${one.prefix}`, icon: 'network', words: one.prefix, end: 'Subnet' })),
        ...apexes.map(one => ({ path: `/zones/${one.id}`, icon: 'globe', words: one.apex, end: one.views.length > 0 ? `Zone for ${one.views.join(', ')}` : 'Zone' })), ...views]);
      setAt(0);
    }, 120);
    return () => { clearTimeout(timer); aborter.abort(); };
  }, [text]);
  const keys = event => {
    if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      setAt(now => Math.max(0, Math.min(hits.length - 1, now + (event.key === 'ArrowDown' ? 1 : -1))));
    } else if (event.key === 'Enter' && hits[at]) {
      event.preventDefault();
      box.current.close();
      go(hits[at].path);
    }
  };
  return html`<dialog ref=${box} onClose=${onClose} onClick=${event => event.target === box.current && box.current.close()} aria-label="Find anything">
    <div class="field"><${Icon} name="search"/><input autofocus autocomplete="off" spellcheck="false" role="combobox" aria-expanded="true" aria-controls="hits" aria-activedescendant=${hits[at] ? `hit${at}` : undefined} aria-label="Find anything" placeholder="A name, an address, a hardware address, a subnet" value=${text} onInput=${event => setText(event.target.value)} onKeyDown=${keys}/></div>
    <div class="hits" id="hits" role="listbox" aria-label="What was found">${hits.map((hit, place) =>
      html`<a role="option" id=${`hit${place}`} key=${hit.path} aria-selected=${String(place === at)} tabindex="-1" href=${hit.path} onClick=${() => box.current.close()} onMouseMove=${() => setAt(place)}><${Icon} name=${hit.icon} small/><span>${hit.words}</span><span class="dim sm">${hit.end}</span></a>`)}
      ${text && !hits.length && html`<div class="empty"><p>Nothing has “${text}” in it.</p></div>`}</div></dialog>`;
}

const KEYS = [['/', 'Find anything'], ['g o', 'Overview'], ['g l', 'Leases'], ['g h', 'Hosts'], ['g s', 'Subnets'], ['g z', 'Zones'], ['g d', 'DNS work'], ['g q', 'Queries'], ['g e', 'Events'], ['g w', 'History'], ['g c', 'Configuration'], ['j k', 'Next and previous row'], ['Enter', 'Open'], ['r', 'Reserve'], ['c', 'Copy the address'], ['u', 'Undo'], ['Esc', 'Close'], ['?', 'These keys']];
function Help({ onClose }) {
  const [off, setOff] = useState(localStorage.getItem('keys') === 'off');
  const box = useRef();
  useEffect(() => { box.current.showModal(); }, []);
  const toggle = () => { localStorage.setItem('keys', off ? 'on' : 'off'); setOff(!off); };
  return html`<dialog ref=${box} onClose=${onClose} onClick=${event => event.target === box.current && box.current.close()} aria-labelledby="keys-h">
    <div class="box"><h2 id="keys-h">Keys</h2><dl class="keys">${KEYS.map(([key, words]) => html`<dt key=${key}>${key.split(' ').map(one => html`<kbd>${one}</kbd> `)}</dt><dd>${words}</dd>`)}</dl>
    <div class="row"><button type="button" class="btn" onClick=${toggle}>${off ? 'Switch single keys on' : 'Switch single keys off'}</button><button type="button" class="btn" onClick=${() => box.current.close()}>Close</button></div></div></dialog>`;
}

function useKeys(open) {
  useEffect(() => {
    let prefix = 0;
    const press = event => {
      const typing = event.target.closest?.('input,textarea,select,dialog');
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (localStorage.getItem('keys') === 'off' && event.key !== '?') return;
      if (event.key === '/') { event.preventDefault(); open('find'); }
      else if (event.key === '?') open('help');
      else if (event.key === 'u' && !event.repeat && Date.now() - prefix > 1500) { if (undoNewest()) event.preventDefault(); }
      else if (event.key === 'g') prefix = Date.now();
      else if (Date.now() - prefix < 1500) {
        const to = LINKS.find(one => one[3] === event.key);
        prefix = 0;
        if (to) { event.preventDefault(); go(to[0]); }
      }
    };
    addEventListener('keydown', press);
    return () => removeEventListener('keydown', press);
  }, []);
}

function App() {
  const { path, query } = useWhere();
  const [opened, open] = useState(null);
  const status = useApi('/status', { every: 5000 });
  useKeys(open);
  // What happened shows in the figures soon, and not more often than each second.
  const soon = useRef(0);
  useEvents(() => {
    if (soon.current) return;
    soon.current = setTimeout(() => { soon.current = 0; status.reload(); }, 1000);
  }, [status.reload]);
  const [, View, current, words, rest] = VIEWS.map(([pattern, ...of]) => [pattern, ...of, path.match(pattern)?.[1]]).find(([pattern]) => pattern.test(path)) ?? [null, Missing, '', 'Not found'];
  const first = useRef(true);
  useLayoutEffect(() => {
    document.title = `${words}${rest ? ` ${decodeURIComponent(rest)}` : ''} · Leasehold`;
    const place = placeOf();
    const back = setTimeout(() => scrollTo(0, place), place ? 60 : 0);
    if (!first.current) arrival.path = location.pathname;
    if (!first.current) requestAnimationFrame(() => document.getElementById('h1')?.focus({ preventScroll: true }));
    first.current = false;
    return () => clearTimeout(back);
  }, [path]);
  const refused = status.data?.names.refused ?? 0;
  const attention = status.data?.verdict.attention.length;
  useEffect(() => { if (attention != null) announce(status.data.verdict.words); }, [attention]);
  const is = to => (to === current ? 'page' : undefined);
  return html`<a class="skip" href="#main">Skip to content</a><div class="app">
    <header class="top"><${Brand}/><${Connection} short/><button type="button" class="ib" aria-label="Find anything" onClick=${() => open('find')}><${Icon} name="search"/></button></header>
    <nav class="rail" aria-label="Main"><${Brand}/>
      <button type="button" class="find" onClick=${() => open('find')}><${Icon} name="search" small/>Find anything<kbd>/</kbd></button>
      <div class="nav">${NAVIGATION.map(one => typeof one === 'string' ? html`<div class="h" key=${one}>${one}</div>`
        : html`<a key=${one[0]} href=${one[0]} aria-current=${is(one[0])}><${Icon} name=${one[1]}/>${one[2]}${one[0] === '/dns-work' && refused > 0 && html`<span class="count">${refused > 999 ? '999+' : refused}<span class="vh"> refused</span></span>`}</a>`)}</div>
      <div class="foot"><${Connection} host=${status.data?.host ?? location.host}/><${Me}/><${Theme}/><button type="button" onClick=${() => open('help')}><${Icon} name="keyboard" small/>Keys</button></div></nav>
    <main id="main" tabindex="-1"><${View} key=${current + (rest ?? '')} rest=${rest && decodeURIComponent(rest)} query=${query} status=${status} theme=${Theme} me=${Me} connection=${Connection}/></main>
    <nav class="tabs" aria-label="Sections">${TABS.map(([to, icon, text]) => html`<a key=${to} href=${to} aria-current=${is(to) ?? (to === '/more' && !TABS.some(([one]) => one === current) ? 'page' : undefined)}><${Icon} name=${icon}/>${text}</a>`)}</nav>
    </div><div id="said" class="vh" role="status" aria-live="polite"></div>
    <${Layers}/>
    ${opened === 'find' && html`<${Find} onClose=${() => open(null)}/>`}${opened === 'help' && html`<${Help} onClose=${() => open(null)}/>`}`;
}

const Missing = () => html`<div class="empty"><${Icon} name="search"/><h1 id="h1" tabindex="-1">There is no such view</h1><p><a class="link" href="/">Go to the overview</a></p></div>`;

/** The page for whoever is known, else the door. */
function Root() {
  const { me, lost, fault } = useMe();
  const inside = Boolean(me?.role);
  useEffect(() => { if (inside) listen(); }, [inside]);
  if (fault && !me) return html`<main class="door" id="main"><${Brand}/><${Problem} error=${fault} retry=${ask}/></main>`;
  if (!me) return null;
  if (!inside && !lost) return html`<${SignIn} brand=${html`<${Brand}/>`}/>`;
  return html`<${App}/>${!inside && html`<${SignInAgain}/>`}`;
}

render(html`<${Root}/>`, document.getElementById('app'));
ask();
