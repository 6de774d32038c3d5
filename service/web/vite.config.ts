// Five pages, no inline script or style (the service's Content-Security-Policy allows none), and
// names with a hash, which the service lets browsers keep for ever.
import { defineConfig } from "vite";

export default defineConfig({
  base: "./", // below whatever path a proxy puts the service
  build: {
    target: "es2022",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rollupOptions: { input: ["index.html", "console.html", "speller.html", "cursor.html", "training.html"] },
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
});
