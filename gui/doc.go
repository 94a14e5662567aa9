// Package gui is the owner's portal, at /gui: where an owner sees what waits, decides, and reads what
// the agents did.
//
// A server with several owners has pages for its admin too, at /gui/admin, if an admin token is
// configured: that token, typed once an hour, opens a session of its own, which lives in memory alone.
// The admin reads what all owners have, adds owners, and changes keys; what an owner decides, the admin
// does not decide here.
//
// It owns pages and nothing else: every question and every change is one call of leash.Service, and
// what a page may not do, the service refuses. Pages are rendered on the server with html/template and
// can be read without JavaScript; htmx and two small scripts add what is live.
//
// It promises that nothing of a page comes from another host, that no page runs or styles by anything
// inline (Content-Security-Policy), that a form counts only from the owner's own pages and session, and
// that a form which comes too late (an expired session, a restart, a second log-in) is shown again with
// all that was typed in it. It refuses to show text that could pass for something else: markup is
// escaped, and bidirectional and other control characters are spelt out.
//
// # Why
//
// Changes are plain form posts that end in a redirect, so that a reload, the back button and a browser
// without JavaScript do the expected thing. The token in each form is derived from the session token:
// nothing needs to be stored, and a restart of the server makes no open page useless.
package gui
