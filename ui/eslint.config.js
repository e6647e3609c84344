import js from "@eslint/js";
import prettier from "eslint-config-prettier";
import svelte from "eslint-plugin-svelte";
import globals from "globals";
import ts from "typescript-eslint";
import svelteConfig from "./svelte.config.js";

export default ts.config(
  { ignores: ["dist", "coverage", "src/lib/bindings"] },
  js.configs.recommended,
  ...ts.configs.strict,
  ...svelte.configs.recommended,
  prettier,
  ...svelte.configs.prettier,
  { languageOptions: { globals: { ...globals.browser, ...globals.node } } },
  {
    files: ["**/*.svelte", "**/*.svelte.ts"],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
  },
  {
    files: ["src/lib/store/*.svelte.ts"],
    // The store keeps plain maps beside its signals on purpose: a reactive map would wake every reader.
    rules: { "svelte/prefer-svelte-reactivity": "off" },
  },
  {
    rules: {
      // What a service prints or is called must never become markup.
      "svelte/no-at-html-tags": "error",
      "no-console": "error",
      eqeqeq: "error",
    },
  },
);
