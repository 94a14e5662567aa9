package main

import "net/http"

// portal is the owner's pages.
func portal(*app, *node) http.Handler { return nil }
