// Returns the visible texts whose contrast against what stands behind them is below WCAG 2.2's level AA.
function parse(text) {
  const match = text.match(/rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)/);
  return match ? [+match[1], +match[2], +match[3], match[4] === undefined ? 1 : +match[4]] : [0, 0, 0, 0];
}
function luminance(colour) {
  const parts = colour.slice(0, 3).map(value => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
}
function behind(element) {
  for (let place = element; place; place = place.parentElement) {
    const colour = parse(getComputedStyle(place).backgroundColor);
    if (colour[3] === 1) return colour;
  }
  return [255, 255, 255, 1];
}
const poor = [];
let seen = 0;
for (const element of document.querySelectorAll("body *")) {
  const own = Array.from(element.childNodes).some(node => node.nodeType === 3 && node.textContent.trim());
  if (!own || ["SCRIPT", "STYLE"].includes(element.tagName) || !element.getClientRects().length) continue;
  const style = getComputedStyle(element);
  const inSvg = element.namespaceURI.endsWith("svg");
  const front = luminance(parse(inSvg ? style.fill : style.color)), back = luminance(behind(element));
  const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  seen += 1;
  const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && +style.fontWeight >= 700);
  if (contrast < (large ? 3 : 4.5)) poor.push(contrast.toFixed(2) + " " + element.tagName + " " + element.textContent.slice(0, 60));
}
return { seen: seen, poor: poor };
