// A session's socket that comes back by itself, from behind the last intent that it gave, and says
// what was missed. An intent is handed on once, in order, or announced as missed.
import { ApiError, call, sentence, socketUrl } from "./api";
import { ServiceClock } from "./clock";
import { newsCame } from "./news";
import { PROTOCOL, type ClientMessage, type Cue, type Hello, type Intent, type ServerMessage, type Status } from "./wire";

export type Link = "connecting" | "open" | "lost" | "gone";

/** A marker at a moment of `performance.now()`. */
export interface Stamped {
  name: string;
  atMs: number;
}

export interface Listener {
  link?(link: Link, why: string): void;
  hello?(hello: Hello): void;
  status?(status: Status): void;
  intent?(intent: Intent): void;
  /** A guided calibration asks for something. */
  cue?(cue: Cue): void;
  /** Intents from one number to another will not come. */
  gap?(from: number, to: number): void;
  refused?(detail: string): void;
  /** The socket is back: after how long, and how many intents were sent meanwhile (null: anew). */
  back?(lostS: number, sent: number | null): void;
}

const PING_EVERY_MS = 2000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 3000;
/** Silence in which no ping was answered: the socket is dead though nobody closed it. */
const DEAD_AFTER_MS = 7000;

export class LiveSession {
  readonly clock = new ServiceClock();
  private socket: WebSocket | null = null;
  private lastSeq: number | null = null;
  private waitMs = FIRST_WAIT_MS;
  private timer: number | undefined;
  private pinger: number | undefined;
  private heard = 0;
  private ended = false;
  private lostAt: number | null = null;
  private gatherS = 0;

  constructor(
    readonly session: string,
    private readonly listener: Listener,
  ) {
    void this.open();
  }

  close(): void {
    this.ended = true;
    clearTimeout(this.timer);
    clearInterval(this.pinger);
    this.socket?.close();
  }

  /** Whether it was sent; what is said while there is no socket is not kept. */
  send(message: ClientMessage): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Have intents come together once in `forS` seconds, or each at once (0, as at first). */
  gather(forS: number): void {
    if (forS === this.gatherS) return;
    this.gatherS = forS;
    this.send({ type: "gather", for_s: forS });
  }

  /** Stamp a marker; `atMs` is a moment of `performance.now()`, now when left out. */
  mark(name: string, data: Record<string, unknown> = {}, atMs?: number): boolean {
    const t = this.clock.lsl(atMs);
    return t !== null && this.send({ type: "marker", name, data, t });
  }

  /** Stamp markers together, each at its own moment: all of them, or none. */
  markAll(markers: Stamped[]): boolean {
    const stamped = markers.map(({ name, atMs }) => ({ name, data: {}, t: this.clock.lsl(atMs)! }));
    return this.clock.known && this.send({ type: "markers", markers: stamped });
  }

  private async open(): Promise<void> {
    this.listener.link?.("connecting", "");
    const query: Record<string, string> = this.lastSeq === null ? {} : { after: String(this.lastSeq) };
    try {
      const path = { id: this.session };
      await call("get", "/v1/sessions/{id}", { path });
      const url = await socketUrl(`/v1/sessions/${encodeURIComponent(this.session)}/intents`, query);
      if (this.ended) return;
      this.listen(new WebSocket(url, PROTOCOL));
    } catch (error) {
      const gone = error instanceof ApiError && error.status === 404;
      this.retry(gone ? "gone" : "lost", sentence(error));
    }
  }

  private listen(socket: WebSocket): void {
    this.socket = socket;
    let why = "the connection was lost";
    socket.onmessage = (event) => {
      this.heard = performance.now();
      const message = JSON.parse(event.data as string) as ServerMessage;
      if (message.type === "bye") why = message.reason;
      else this.take(message);
    };
    socket.onopen = () => {
      this.heard = performance.now();
      this.send({ type: "gather", for_s: this.gatherS });
      this.pinger = window.setInterval(() => this.ping(), PING_EVERY_MS);
      for (let i = 0; i < 4; i++) this.ping();
    };
    socket.onclose = () => {
      clearInterval(this.pinger);
      this.socket = null;
      if (!this.ended) this.retry("lost", why);
    };
  }

  private take(message: ServerMessage): void {
    switch (message.type) {
      case "hello":
        this.waitMs = FIRST_WAIT_MS;
        this.resume(message);
        this.listener.link?.("open", "");
        this.listener.hello?.(message);
        return;
      case "intent":
        if (message.seq <= (this.lastSeq ?? 0)) return;
        this.lastSeq = message.seq;
        this.listener.intent?.(message);
        newsCame();
        return;
      case "gap":
        this.lastSeq = Math.max(this.lastSeq ?? 0, message.to);
        this.listener.gap?.(message.from, message.to);
        return;
      case "status":
        this.listener.status?.(message);
        return;
      case "cue":
        this.listener.cue?.(message);
        return;
      case "pong":
        if (message.t_client !== null) this.clock.add(message.t_client, message.lsl_time);
        return;
      case "refused":
        this.listener.refused?.(message.detail);
    }
  }

  /** A session of the same name that counts from the beginning again is another one. */
  private resume(hello: Hello): void {
    const anew = this.lastSeq !== null && hello.last_seq < this.lastSeq;
    if (this.lostAt !== null) {
      const sent = anew ? null : hello.last_seq - (this.lastSeq ?? hello.last_seq);
      this.listener.back?.((performance.now() - this.lostAt) / 1000, sent);
      this.lostAt = null;
    }
    if (this.lastSeq === null || anew) this.lastSeq = hello.last_seq;
  }

  private ping(): void {
    if (performance.now() - this.heard > DEAD_AFTER_MS) this.socket?.close();
    else this.send({ type: "ping", t_client: ServiceClock.now() });
  }

  private retry(link: Link, why: string): void {
    if (this.ended) return;
    this.clock.forget();
    this.lostAt ??= performance.now();
    this.listener.link?.(link, why);
    this.timer = window.setTimeout(() => void this.open(), this.waitMs * (0.75 + Math.random() / 2));
    this.waitMs = Math.min(this.waitMs * 2, LONGEST_WAIT_MS);
  }
}
