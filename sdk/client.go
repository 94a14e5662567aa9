package sdk

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/openleash/openleash-go/proof"
)

// Config says which agent asks which server. Zero durations and counts take the defaults.
type Config struct {
	URL           string // of the server, such as http://127.0.0.1:8787
	AgentID       string
	PrivateKeyB64 string `json:"-"` // DER PKCS#8
	OwnerID       string // optional: the owner that the agent acts for

	Timeout  time.Duration // for one answer: 10 s
	Attempts int           // for what may be sent again: 3; 1 never sends twice

	HTTP  *http.Client     // optional; its redirect policy is not used
	Clock func() time.Time // optional
}

// Client speaks for one agent. It is safe for concurrent use.
type Client struct {
	transport
	agentID, ownerID string
	key              ed25519.PrivateKey
}

// New returns a client. It does not connect.
func New(c Config) (*Client, error) {
	t, err := newTransport(c)
	if err != nil {
		return nil, err
	}
	if c.AgentID == "" {
		return nil, &Error{Kind: ErrRequest, Message: "no agent id is given; it is OPENLEASH_AGENT_ID in the file that registering wrote"}
	}
	pair, err := ParseKeyPair(c.PrivateKeyB64)
	if err != nil {
		return nil, err
	}
	return &Client{transport: t, agentID: c.AgentID, ownerID: c.OwnerID, key: pair.Private}, nil
}

// FromEnv returns a client for the agent that the environment names: OPENLEASH_URL,
// OPENLEASH_AGENT_ID, OPENLEASH_AGENT_PRIVATE_KEY_B64 and, optionally, OPENLEASH_OWNER_ID.
func FromEnv() (*Client, error) {
	return New(Config{
		URL:           os.Getenv("OPENLEASH_URL"),
		AgentID:       os.Getenv("OPENLEASH_AGENT_ID"),
		PrivateKeyB64: os.Getenv("OPENLEASH_AGENT_PRIVATE_KEY_B64"),
		OwnerID:       os.Getenv("OPENLEASH_OWNER_ID"),
	})
}

// transport sends requests to one server.
type transport struct {
	base     *url.URL
	http     *http.Client
	timeout  time.Duration
	attempts int
	now      func() time.Time
}

func newTransport(c Config) (transport, error) {
	base, err := url.Parse(strings.TrimRight(strings.TrimSpace(c.URL), "/"))
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return transport{}, &Error{Kind: ErrRequest, Message: fmt.Sprintf("%q is no URL of a server; set OPENLEASH_URL to one such as http://127.0.0.1:8787", c.URL)}
	}
	t := transport{base: base, http: &http.Client{}, timeout: c.Timeout, attempts: c.Attempts, now: c.Clock}
	if c.HTTP != nil {
		copied := *c.HTTP
		t.http = &copied
	}
	// A signed request is for one place; a proxy's log-in page is no answer.
	t.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if t.timeout == 0 {
		t.timeout = 10 * time.Second
	}
	if t.attempts == 0 {
		t.attempts = 3
	}
	if t.now == nil {
		t.now = systemClock()
	}
	return t, nil
}

func systemClock() func() time.Time { return time.Now }

// call is one request of the API.
type call struct {
	method, path, query string
	body                []byte        // nil on a GET
	again               bool          // sending it twice does no harm
	patience            time.Duration // by how much the server may hold its answer
	sign                func(*http.Request)
}

// signed makes a call in the agent's name.
func (c *Client) signed(r call) call {
	r.sign = func(req *http.Request) {
		h := proof.SignRequest(c.key, c.agentID, r.method, r.path, c.now(), rand.Text(), r.body)
		for name, value := range map[string]string{
			proof.HeaderAgentID: h.AgentID, proof.HeaderTimestamp: h.Timestamp, proof.HeaderNonce: h.Nonce,
			proof.HeaderBodySHA256: h.BodySHA256, proof.HeaderSignature: h.Signature,
		} {
			req.Header.Set(name, value)
		}
	}
	return r
}

// do sends a call, again if it may and the failure can pass, and decodes the answer into out.
func (t transport) do(ctx context.Context, r call, out any) error {
	for attempt := 1; ; attempt++ {
		err := t.once(ctx, r, out)
		var e *Error
		if err == nil || !r.again || attempt >= t.attempts || !errors.As(err, &e) || !passing(e) {
			return err
		}
		pause := max(backoff(attempt), min(e.retryAfter, 5*time.Second))
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

// passing reports whether a failure may pass by itself.
func passing(e *Error) bool {
	return e.Is(ErrUnreachable) || e.Is(ErrTimeout) || e.Is(ErrServer) || e.Status == http.StatusTooManyRequests
}

// backoff is 100 ms, 200 ms, 400 ms …, each up to half longer.
func backoff(attempt int) time.Duration {
	d := 100 * time.Millisecond << min(attempt-1, 5)
	jitter, err := rand.Int(rand.Reader, big.NewInt(int64(d/2)))
	if err != nil {
		return d
	}
	return d + time.Duration(jitter.Int64())
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

func (t transport) once(ctx context.Context, r call, out any) error {
	ctx, cancel := context.WithTimeout(ctx, t.timeout+r.patience)
	defer cancel()
	target := t.base.JoinPath(r.path)
	target.RawQuery = r.query
	req, err := http.NewRequestWithContext(ctx, r.method, target.String(), bytes.NewReader(r.body))
	if err != nil {
		return &Error{Kind: ErrRequest, Message: "the request cannot be made", Err: err}
	}
	req.Header.Set("Accept", "application/json")
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.sign != nil {
		r.sign(req)
	}
	res, err := t.http.Do(req)
	if err != nil {
		return t.unanswered(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return t.unanswered(err)
	}
	if res.StatusCode/100 != 2 {
		var answer struct {
			Error struct{ Code, Message string } `json:"error"`
		}
		_ = json.Unmarshal(body, &answer) // a proxy may answer with a page; the status says enough
		return refused(res, answer.Error.Code, answer.Error.Message, t.now())
	}
	if err := json.Unmarshal(body, out); err != nil || len(body) > maxAnswer || !complete(out) {
		return &Error{Kind: ErrResponse, Status: res.StatusCode, Err: err,
			Message: "the answer of " + t.base.String() + " is not that of an OpenLeash server; check the URL"}
	}
	return nil
}

// complete reports whether an answer holds what every such answer does. A JSON text of another
// service decodes too, into nothing.
func complete(out any) bool {
	switch a := out.(type) {
	case *Decision:
		return a.ID != "" && a.Result != ""
	case *Settlement:
		return a.DecisionID != ""
	case *ApprovalRequest:
		return a.ID != "" && a.Status != ""
	case *PolicyDraft:
		return a.ID != ""
	case *draftList:
		return a.Drafts != nil
	case *Registration:
		return a.AgentID != "" && a.OwnerID != ""
	case *Self:
		return a.AgentID != ""
	}
	return true
}

func (t transport) unanswered(err error) error {
	var slow net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.As(err, &slow) && slow.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return &Error{Kind: ErrTimeout, Err: err,
			Message: fmt.Sprintf("%s did not answer within %s; nothing may be taken as allowed", t.base, t.timeout)}
	}
	return &Error{Kind: ErrUnreachable, Err: err,
		Message: fmt.Sprintf("%s cannot be reached; is the server started (openleash start), and is OPENLEASH_URL right?", t.base)}
}
