// The service worker: it keeps the whole site, so that it works without a connection, and adds the headers that isolate
// the page, so that it may use threads on a server that sends none. Other pages beside the site are left alone.
// Above stands SITE: {version, folder, keep, policy}; the files to keep, and the folder whose files never change.

const SCOPE = self.registration.scope;
const PAGES = [SCOPE, `${SCOPE}index.html`];
const FOLDER = SCOPE + SITE.folder;
const PREFIX = `leannet ${SCOPE} `;
const CACHE = PREFIX + SITE.version;
const PATIENCE = 4000; // milliseconds for the page itself, before the kept one is shown
const HEADERS = {
  "Content-Security-Policy": SITE.policy, // also of workers, which the page's does not bind
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => event.waitUntil(keep().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(forget().then(() => self.clients.claim())));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const [address] = request.url.split(/[?#]/);
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && PAGES.includes(address)) event.respondWith(page(request));
  else if (request.mode !== "navigate" && address.startsWith(FOLDER)) event.respondWith(file(request));
  else if (SITE.keep.some((name) => SCOPE + name === address)) event.respondWith(newest(request));
});

async function keep() {
  const cache = await caches.open(CACHE);
  await Promise.all(
    SITE.keep.map(async (name) => {
      const request = new Request(SCOPE + name, { cache: name.startsWith(SITE.folder) ? "default" : "no-cache" });
      const response = await fetch(request);
      if (!response.ok) throw new Error(`${name}: HTTP ${response.status}`);
      await cache.put(request.url, isolated(response));
    }),
  );
}

async function forget() {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** The page as the server has it now, so that a newer network is found; without a connection, the kept one. */
async function page(request) {
  const kept = () => caches.match(PAGES[1], { cacheName: CACHE });
  try {
    const response = await fetch(request, { cache: "no-cache", signal: AbortSignal.timeout(PATIENCE) });
    if (response.ok) return isolated(response);
    return (response.status >= 500 && (await kept())) || response;
  } catch {
    return (await kept()) ?? Response.error();
  }
}

/** What may change under its name. */
async function newest(request) {
  try {
    return isolated(await fetch(request, { cache: "no-cache" }));
  } catch {
    return (await caches.match(request.url, { cacheName: CACHE })) ?? Response.error();
  }
}

/** What never changes. */
async function file(request) {
  const kept = await caches.match(request.url, { cacheName: CACHE });
  if (kept) return kept;
  const response = await fetch(request);
  if (!response.ok) return response;
  const made = isolated(response);
  await (await caches.open(CACHE)).put(request.url, made.clone()); // WebGPU's files, once they are used
  return made;
}

function isolated(response) {
  const headers = new Headers(response.headers);
  headers.delete("Content-Encoding"); // the body is unpacked already
  headers.delete("Content-Length");
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
