package server

import "reflect"

// access says who may call a route.
type access int

const (
	forAnyone access = iota
	forAgent         // requests signed by an agent
	forOwner         // an owner's session, or the admin for an owner
	forAdmin
)

// weight says what an unauthenticated request costs, and so how often an address may make it.
type weight int

const (
	reads  weight = iota // reads memory, or verifies a signature
	writes               // stores something
	hashes               // hashes a passphrase
	free                 // not limited: probes
)

// route is one entry of the API: how it is registered and how it is described.
type route struct {
	method, path string
	access       access
	weight       weight // of routes for anyone
	group        string // heading in the reference
	summary      string // half a sentence
	doc          string // what the types do not say
	query        []param
	limit        int64 // bytes of a body; 0 is bodyLimit
	untimed      bool  // no deadline applies: the answer may be held open, or all it waits for is bounded
	redeems      bool  // the body is an action request
	endpoint
}

// param is a query parameter.
type param struct {
	name string
	kind string // a JSON type
	doc  string
}

// endpoint is what serves a route, with the types of what it takes and gives.
type endpoint struct {
	in       reflect.Type // of the body; nil for none
	required []string     // members of the body that must be there
	out      reflect.Type // of the answer; nil if it is no JSON
	media    string       // of the answer; empty is JSON
	serve    func(c *call) error
}

// gives is an endpoint without a body.
func gives[Out any](use func(c *call) (Out, error)) endpoint {
	return endpoint{out: reflect.TypeFor[Out](), serve: func(c *call) error {
		out, err := use(c)
		if err != nil {
			return err
		}
		return send(c.Context, 200, out)
	}}
}

// takes is an endpoint with a JSON body, whose required members must be there.
func takes[In, Out any](use func(c *call, in In) (Out, error), required ...string) endpoint {
	return endpoint{in: reflect.TypeFor[In](), required: required, out: reflect.TypeFor[Out](), serve: func(c *call) error {
		var in In
		if err := decode(c.body, &in, required); err != nil {
			return err
		}
		out, err := use(c, in)
		if err != nil {
			return err
		}
		return send(c.Context, 200, out)
	}}
}

// raw is an endpoint that decodes the body, of form In, by itself.
func raw[In, Out any](use func(c *call) (Out, error), required ...string) endpoint {
	e := gives(use)
	e.in, e.required = reflect.TypeFor[In](), required
	return e
}

// streams is an endpoint that writes an answer that is no JSON.
func streams(media string, serve func(c *call) error) endpoint {
	return endpoint{media: media, serve: serve}
}

// routes is the whole API.
func (s *Server) routes() []route {
	var all []route
	for _, g := range []struct {
		name   string
		access access
		routes []route
	}{
		{"Public", forAnyone, s.publicRoutes()},
		{"Registration", forAnyone, s.registrationRoutes()},
		{"Agent", forAgent, s.agentRoutes()},
		{"AuthZEN", forAgent, s.authzenRoutes()},
		{"Owner: log in", forAnyone, s.loginRoutes()},
		{"Owner: account", forOwner, s.accountRoutes()},
		{"Owner: agents", forOwner, s.ownAgentRoutes()},
		{"Owner: policies", forOwner, s.policyRoutes()},
		{"Owner: approvals", forOwner, s.approvalRoutes()},
		{"Owner: records", forOwner, s.recordRoutes()},
		{"Admin", forAdmin, s.adminRoutes()},
	} {
		for _, r := range g.routes {
			r.group, r.access = g.name, g.access
			orElse(&r.limit, bodyLimit)
			all = append(all, r)
		}
	}
	return all
}

// done is the answer where there is nothing to say.
type done struct {
	Status string `json:"status"` // "ok"
}

// said answers with done, unless there is an error.
func said(err error) (done, error) { return done{"ok"}, err }
