// LSL time of the service's host, from this page's own clock: the offset is that of the ping with
// the shortest way there and back of the last few, and cannot be off by more than half of that way.

const KEPT = 16;

export class ServiceClock {
  private pings: { offset: number; way: number }[] = [];

  /** This page's clock, seconds. */
  static now(): number {
    return performance.now() / 1000;
  }

  /** Take a pong: when the ping was sent by this page's clock, and the service's LSL time in it. */
  add(sent: number, lslTime: number, received = ServiceClock.now()): void {
    this.pings.push({ offset: lslTime - (sent + received) / 2, way: received - sent });
    if (this.pings.length > KEPT) this.pings.shift();
  }

  private get best(): { offset: number; way: number } | null {
    return this.pings.reduce<{ offset: number; way: number } | null>(
      (best, ping) => (best === null || ping.way < best.way ? ping : best),
      null,
    );
  }

  get known(): boolean {
    return this.pings.length > 0;
  }

  /** LSL time now, or at a moment of `performance.now()`; null before the first pong. */
  lsl(atMs?: number): number | null {
    const best = this.best;
    return best === null ? null : (atMs === undefined ? ServiceClock.now() : atMs / 1000) + best.offset;
  }

  /** How far off it may be, seconds. */
  get uncertainty(): number | null {
    const best = this.best;
    return best === null ? null : best.way / 2;
  }

  forget(): void {
    this.pings = [];
  }
}
