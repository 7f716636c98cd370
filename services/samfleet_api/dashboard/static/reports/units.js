import { count, milliseconds, percent } from "/dashboard/static/format.js";

const orDash = (format) => (value) => (value === null || value === undefined ? "–" : format(value));
export const ms = orDash(milliseconds);
export const share = orDash(percent);
export const decimals = (places) =>
  orDash((value) => value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places }));
export const whole = orDash((value) => count(Math.round(value)));
export const significant = orDash((value) => value.toLocaleString("en", { maximumSignificantDigits: 3 }));
export const money = (value, currency) =>
  value === null || value === undefined ? "–" : `${significant(value)} ${currency ?? ""}`.trim();

export const number = (title, field, format) => ({ title, number: true, value: (row) => format(row[field]) });
export const images = [number("Images", "n", whole), number("Failed", "failures", whole)];
