// A plot that is as wide as its place and has the page's colours.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const LEAST_WIDTH_PX = 200;

/** Looks of axes, as the theme has them when the plot is made. */
export interface Look {
  stroke: string;
  grid: { stroke: string; width: number };
}

/** At each power of ten, and nowhere else. */
export const powersOfTen = (_: uPlot, ticks: number[]) => ticks.map((t) => (Number.isInteger(Math.log10(t)) ? t : null));

/** Give the place to put a plot into, and the plot, whose data whoever has new ones sets. */
export function usePlot(
  heightPx: number,
  options: (look: Look) => Pick<uPlot.Options, "scales" | "axes" | "series" | "bands">,
  data: uPlot.AlignedData,
) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  useEffect(() => {
    const element = place.current!;
    const style = getComputedStyle(element);
    const stroke = style.getPropertyValue("--soft").trim();
    const grid = { stroke: style.getPropertyValue("--line").trim(), width: 1 };
    const size = () => ({ width: Math.max(LEAST_WIDTH_PX, element.clientWidth), height: heightPx });
    const made = new uPlot({ ...size(), legend: { show: false }, cursor: { show: false }, ...options({ stroke, grid }) }, data, element);
    plot.current = made;
    const watch = new ResizeObserver(() => made.setSize(size()));
    watch.observe(element);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, []);
  return [place, plot] as const;
}
