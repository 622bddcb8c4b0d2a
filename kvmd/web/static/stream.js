// The stream, for where no socket can be had: the parts of /stream, each a JPEG (RFC 2046, section 5.1), read by hand, so
// that the page knows when the last one came, which an <img> does not tell.

const AGAIN = 1000; // ms after which a stream that ended is taken again
const END = new TextEncoder().encode("\r\n\r\n");

let reading = null; // the AbortController of the one that runs

// :param take: called with each JPEG, an Uint8Array
export function openStream(take) {
  closeStream();
  const mine = new AbortController();
  reading = mine;
  const again = () => reading === mine && openStream(take);
  read(mine.signal, take).catch(() => {}).finally(() => setTimeout(again, AGAIN));
}

export function closeStream() {
  reading?.abort();
  reading = null;
}

async function read(signal, take) {
  // WebKit gives scripts nothing of a multipart/x-mixed-replace
  const headers = { "X-Requested-With": "kvmd", Accept: "multipart/mixed" };
  const response = await fetch("stream", { signal, headers, cache: "no-store" });
  if (!response.ok) return;
  const parts = new Parts(take);
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return;
    parts.push(value);
  }
}

// Cuts what comes into parts, by the length that each one names.
class Parts {
  #take;
  #chunks = [];
  #size = 0;
  #wanted = 0; // of a part's body; 0 while its head is awaited

  constructor(take) {
    this.#take = take;
  }

  push(chunk) {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#wanted) return;
    let rest = join(this.#chunks, this.#size);
    for (let next; (next = this.#cut(rest)); ) rest = next;
    this.#chunks = [rest];
    this.#size = rest.length;
  }

  // Take a head or a body off the beginning; nothing where it is not whole yet.
  #cut(bytes) {
    if (this.#wanted) {
      if (bytes.length < this.#wanted) return null;
      this.#take(bytes.slice(0, this.#wanted));
      const rest = bytes.subarray(this.#wanted);
      this.#wanted = 0;
      return rest;
    }
    const end = find(bytes, END);
    if (end < 0) return null;
    const head = new TextDecoder().decode(bytes.subarray(0, end));
    this.#wanted = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? 0);
    return bytes.subarray(end + END.length);
  }
}

function join(chunks, size) {
  const all = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

function find(bytes, wanted) {
  for (let at = bytes.indexOf(wanted[0]); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
    if (wanted.every((byte, offset) => bytes[at + offset] === byte)) return at;
  }
  return -1;
}
