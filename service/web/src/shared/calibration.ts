// A calibration of a session: begun, followed by asking again until it has ended, and what it found.
// It goes by REST and not by the socket, so that a connection that is lost and comes back loses none
// of its steps.
import { call, sentence, UnreachableError } from "./api";
import { decoderOf } from "./kinds";
import { tell } from "./notices";
import type { CalibrationView, KindList } from "./wire";

const ASK_EVERY_MS = 400;

export type CalibrationBody = NonNullable<NonNullable<Parameters<typeof call<"/v1/sessions/{id}/calibrations", "post">>[2]>["body"]>;

/** What a decoder passes on to one of another kind that is calibrated in its place: what both say that they share. */
export function passedOn(from: Record<string, unknown>, kind: string, installed: KindList): Record<string, unknown> {
  const taken = decoderOf(installed, kind)?.passed_on ?? [];
  const keys = (decoderOf(installed, from["kind"])?.passed_on ?? []).filter((key) => taken.includes(key));
  return Object.fromEntries(keys.filter((key) => from[key] !== undefined).map((key) => [key, from[key]]));
}

/** Follow one to its end, or until nobody looks any more; `went` is told of every step. */
export async function follow(
  session: string,
  begun: CalibrationView,
  went: (view: CalibrationView) => void,
  left?: AbortSignal,
): Promise<CalibrationView> {
  let view = begun;
  while (view.ended_utc === null || view.ended_utc === undefined) {
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
    if (left?.aborted) break;
    try {
      view = await call("get", "/v1/sessions/{id}/calibrations/{cid}", { path: { id: session, cid: view.id } });
    } catch (error) {
      if (!(error instanceof UnreachableError)) throw error;
      continue;
    }
    went(view);
  }
  return view;
}

/** Begin one and follow it to its end. */
export async function calibrate(
  session: string,
  body: CalibrationBody,
  went: (view: CalibrationView) => void,
  left?: AbortSignal,
): Promise<CalibrationView> {
  const begun = await call("post", "/v1/sessions/{id}/calibrations", { path: { id: session }, body });
  went(begun);
  return follow(session, begun, went, left);
}

/** Cancel one; how it ended is told by whoever follows it. */
export function cancelCalibration(made: CalibrationView): void {
  const path = { id: made.session, cid: made.id };
  call("delete", "/v1/sessions/{id}/calibrations/{cid}", { path }).catch((error: unknown) => tell("bad", sentence(error)));
}

export function modelName(view: CalibrationView): string {
  return view.model ? `${view.model.name}@${view.model.version}` : "";
}

/** A figure of the model's scores; null where it has none of that name. */
export function scoreOfModel(view: CalibrationView, name: string): number | null {
  const found = (view.model?.scores as Record<string, unknown> | undefined)?.[name];
  return typeof found === "number" ? found : null;
}
