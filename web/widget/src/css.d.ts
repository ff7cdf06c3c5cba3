/** Style sheets are bundled as minified text. */
declare module '*.css' {
  const text: string;
  export default text;
}

/** Of the sources of both files. Set by build.mjs. */
declare const VERSION: string;
