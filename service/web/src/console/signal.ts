// The signal's outline as it comes: frames of bins, kept for as long as a screen is wide.
import { socketUrl } from "../shared/api";
import { newsCame } from "../shared/news";
import { PROTOCOL, type SignalHello } from "../shared/wire";

const HEADER_BYTES = 8;
const VERSION = 1;

/** Bins of all channels; `lows` and `highs` hold them bin by bin. */
export interface Bins {
  channels: number;
  times: Float64Array;
  lows: Float32Array;
  highs: Float32Array;
}

/** Read a binary frame; null for one that is something else. */
export function readBins(frame: ArrayBuffer): Bins | null {
  if (frame.byteLength < HEADER_BYTES) return null;
  const header = new DataView(frame);
  const channels = header.getUint16(2, true);
  const bins = header.getUint32(4, true);
  const values = bins * channels;
  const at = HEADER_BYTES + bins * 8;
  if (header.getUint8(0) !== VERSION || frame.byteLength !== at + values * 8) return null;
  return {
    channels,
    times: new Float64Array(frame, HEADER_BYTES, bins),
    lows: new Float32Array(frame, at, values),
    highs: new Float32Array(frame, at + values * 4, values),
  };
}

export interface SignalListener {
  signal(hello: SignalHello): void;
  bins(bins: Bins): void;
  lost(): void;
}

const RETRY_MS = 1000;

/** A session's signal socket, which comes back by itself. */
export class SignalSocket {
  private socket: WebSocket | null = null;
  private timer: number | undefined;
  private ended = false;

  constructor(
    private readonly session: string,
    private readonly source: SignalHello["source"],
    private readonly listener: SignalListener,
  ) {
    void this.open();
  }

  close(): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  private async open(): Promise<void> {
    try {
      const path = `/v1/sessions/${encodeURIComponent(this.session)}/signal`;
      const url = await socketUrl(path, { source: this.source });
      if (this.ended) return;
      const socket = new WebSocket(url, PROTOCOL);
      socket.binaryType = "arraybuffer";
      socket.onmessage = (event: MessageEvent<string | ArrayBuffer>) => this.take(event.data);
      socket.onclose = () => this.retry();
      this.socket = socket;
    } catch {
      this.retry(); // why is said by the session's other socket
    }
  }

  private take(data: string | ArrayBuffer): void {
    newsCame();
    if (typeof data !== "string") {
      const bins = readBins(data);
      if (bins !== null) this.listener.bins(bins);
      return;
    }
    const message = JSON.parse(data) as SignalHello | { type: "bye" };
    if (message.type === "signal") this.listener.signal(message);
  }

  private retry(): void {
    if (this.ended) return;
    this.listener.lost();
    this.timer = window.setTimeout(() => void this.open(), RETRY_MS);
  }
}
