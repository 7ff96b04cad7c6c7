// The service worker. It stores the whole site, so that it works without a connection, and adds the headers that isolate
// the page, so that threads work on servers that send none. Other pages beside the site are left alone.
// The line above defines SITE: {version, folder, keep, policy}: keep lists the files to store, folder never changes.

const SCOPE = self.registration.scope;
const PAGES = [SCOPE, `${SCOPE}index.html`];
const FOLDER = SCOPE + SITE.folder;
const PREFIX = `leannet ${SCOPE} `;
const CACHE = PREFIX + SITE.version;
const PAGE_TIMEOUT_MS = 4000; // then the stored page is shown
const HEADERS = {
  "Content-Security-Policy": SITE.policy, // for workers too, which the page's own does not cover
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "same-origin",
};

self.addEventListener("install", (event) => event.waitUntil(storeSite().then(() => self.skipWaiting())));
self.addEventListener("activate", (event) => event.waitUntil(deleteOldVersions().then(() => self.clients.claim())));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const [address] = request.url.split(/[?#]/);
  if (request.method !== "GET") return;
  if (request.mode === "navigate" && PAGES.includes(address)) event.respondWith(page(request));
  else if (request.mode !== "navigate" && address.startsWith(FOLDER)) event.respondWith(file(request));
  else if (SITE.keep.some((name) => SCOPE + name === address)) event.respondWith(newest(request));
});

async function storeSite() {
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

async function deleteOldVersions() {
  const old = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
  await Promise.all(old.map((name) => caches.delete(name)));
}

/** The server's current page, so that a newer network is noticed; without a connection, the stored one. */
async function page(request) {
  const stored = () => caches.match(PAGES[1], { cacheName: CACHE });
  try {
    const response = await fetch(request, { cache: "no-cache", signal: AbortSignal.timeout(PAGE_TIMEOUT_MS) });
    if (response.ok) return isolated(response);
    return (response.status >= 500 && (await stored())) || response;
  } catch {
    return (await stored()) ?? Response.error();
  }
}

/** A file that may change under its name. */
async function newest(request) {
  try {
    return isolated(await fetch(request, { cache: "no-cache" }));
  } catch {
    return (await caches.match(request.url, { cacheName: CACHE })) ?? Response.error();
  }
}

/** A file that never changes. */
async function file(request) {
  const stored = await caches.match(request.url, { cacheName: CACHE });
  if (stored) return stored;
  const response = await fetch(request);
  if (!response.ok) return response;
  const withHeaders = isolated(response);
  await (await caches.open(CACHE)).put(request.url, withHeaders.clone()); // WebGPU's files, once they are used
  return withHeaders;
}

function isolated(response) {
  const headers = new Headers(response.headers);
  headers.delete("Content-Encoding"); // the body is already decompressed
  headers.delete("Content-Length");
  for (const [name, value] of Object.entries(HEADERS)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}
