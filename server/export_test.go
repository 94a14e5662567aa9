package server

import (
	"slices"

	"github.com/labstack/echo/v4"
)

// RegisteredRoutes lists "METHOD /path" of all that the admin plane serves, for tests.
func (s *Server) RegisteredRoutes() []string {
	var out []string
	for _, r := range s.admin.(*echo.Echo).Routes() {
		out = append(out, r.Method+" "+templated(r.Path))
	}
	slices.Sort(out)
	return out
}
