// Types of the exports of a job.

declare namespace Exports {
  interface Options {
    form: HTMLElement;
    read(): Record<string, string | number | boolean>;
    keepDays(): number | null;
  }

  type Request = (format: string) => { run: string; options: Record<string, unknown> };

  interface File {
    made: Api.Export;
    runName: string;
  }

  interface Actions {
    remove(made: Api.Export): void;
  }
}
