// What a simulated person sees of the screen: the cursor and its target, told to the service.
import { call } from "../shared/api";
import type { Point } from "./task";

const SCENE_EVERY_MS = 30;

export class Sight {
  private shownMs = 0;
  private sending = false;

  /** Show a person the scene, unless they were shown one just now; `gone` hears that they are no more. */
  show(person: string, cursor: Point, target: Point | null, timeMs: number, gone: () => void): void {
    if (this.sending || timeMs - this.shownMs <= SCENE_EVERY_MS) return;
    this.shownMs = timeMs;
    this.sending = true;
    const body = { cursor: [...cursor] as [number, number], target: target && ([...target] as [number, number]) };
    call("put", "/v1/simulations/{id}/scene", { path: { id: person }, body })
      .catch(gone)
      .finally(() => {
        this.sending = false;
      });
  }
}
