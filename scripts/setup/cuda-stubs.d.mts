export declare function cudaStubs(
  library: string,
  options: { folder: string; env?: NodeJS.ProcessEnv },
): { LD_LIBRARY_PATH?: string; LD_PRELOAD?: string };
