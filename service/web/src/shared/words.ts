// How the pages say some things alike.
import type { CalibrationView } from "./wire";

export const percent = (share: number) => `${(100 * share).toFixed(0)} %`;

/** What decodes. */
export const named = (decoder: string, model: string | null | undefined) => (model ? `${decoder} ${model}` : decoder);

/** Why a calibration that has ended made no model. */
export const whyNotMade = ({ state, refusal }: CalibrationView) =>
  `${state === "refused" ? `No model was made (${refusal?.reason}): ${refusal?.detail}.` : "The calibration was cancelled."} The session decodes as it did before.`;
