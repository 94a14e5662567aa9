// Package browser tries the portal as an owner does: in a real browser, over HTTP, on a real folder.
// Content-Security-Policy violations, console errors, serious findings of axe-core and pages that are
// wider than the screen fail. Pictures of every page are written to test/screenshots.
package browser
