import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: ["**/assets/", "**/node_modules/"] },
  js.configs.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.worker } },
    rules: {
      "max-lines-per-function": ["error", 40],
      complexity: ["error", 12],
      eqeqeq: "error",
      "prefer-const": "error",
      "no-var": "error",
    },
  },
  { files: ["**/flip_book.js"], languageOptions: { sourceType: "commonjs" } }, // the body of a function: it may return
];
