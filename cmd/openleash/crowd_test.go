package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
	"github.com/openleash/openleash-go/store/file"
)

const held = 16 // answers that one agent or owner holds open, as many as may be

// crowd is agents that wait for their approvals, and owners who watch their streams.
type crowd struct {
	agents   []*sdk.Registration
	requests []*sdk.ApprovalRequest // of the agents, in order
	owners   []leash.SessionGrant
}

// TestCrowd holds answers open, half of them long polls and half of them streams, while an agent is
// served: nothing of either is lost. With OPENLEASH_TEST_HELD=10000 and -v it tells how long decisions
// take beside so many, and how much memory the server has.
func TestCrowd(t *testing.T) {
	each := 5
	if n, err := strconv.Atoi(os.Getenv("OPENLEASH_TEST_HELD")); err == nil {
		each = n / 2 / held
	}
	c := &crowd{}
	w := startWorld(t, func(w *liveWorld, data string) { c.found(t, w, data, each) })
	shopper, err := sdk.New(sdk.Config{URL: w.url, AgentID: w.agent["OPENLEASH_AGENT_ID"], PrivateKeyB64: w.agent["OPENLEASH_AGENT_PRIVATE_KEY_B64"]})
	if err != nil {
		t.Fatal(err)
	}
	c.ask(t, w)
	quiet := w.decide(t, shopper, each)
	before := w.memory(t)

	var polls, streams clients
	for i, a := range c.agents {
		path := "/v1/agent/approval-requests/" + c.requests[i].ID + "?wait=60s"
		for range held {
			h := proof.SignRequest(a.KeyPair.Private, a.AgentID, http.MethodGet, path, time.Now(), rand.Text(), nil)
			polls.open(t, w.url, path, proof.HeaderAgentID, h.AgentID, proof.HeaderTimestamp, h.Timestamp, proof.HeaderNonce, h.Nonce,
				proof.HeaderBodySHA256, h.BodySHA256, proof.HeaderSignature, h.Signature)
		}
	}
	for _, o := range c.owners {
		for range held {
			streams.open(t, w.url, "/v1/owner/events/stream", "Authorization", "Bearer "+o.Token)
		}
	}
	streams.await(t, "retry:")
	crowded := w.decide(t, shopper, each)
	t.Logf("%d answers held: p50 %v and p99 %v, without them %v and %v; memory %d MiB, without them %d MiB",
		2*each*held, at(crowded, 0.5), at(crowded, 0.99), at(quiet, 0.5), at(quiet, 0.99), w.memory(t), before)

	for i := range c.agents {
		w.must(t, http.MethodPost, "/v1/owner/approval-requests/"+c.requests[i].ID+"/approve", w.owner.token)
	}
	polls.await(t, `"status":"APPROVED"`)
	for _, o := range c.owners {
		w.must(t, http.MethodPost, "/v1/owner/agent-invites", o.Token)
	}
	streams.await(t, "event: AGENT_INVITED")
}

// found puts the agents of one owner, and further owners with a session each, into a data folder.
func (c *crowd) found(t *testing.T, w *liveWorld, data string, each int) {
	quiet := slog.New(slog.DiscardHandler)
	st, err := file.Open(t.Context(), data, file.Options{Clock: time.Now, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	svc, err := leash.New(t.Context(), leash.Config{Clock: time.Now, Log: quiet, PublicURL: w.url,
		Argon2id: &argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}}, st)
	if err != nil {
		t.Fatal(err)
	}
	ann := leash.Caller{OwnerID: w.agent["OPENLEASH_OWNER_ID"]}
	for i := range each {
		a, err := join(t.Context(), svc, ann, fmt.Sprintf("waiter-%d", i))
		if err != nil {
			t.Fatal(err)
		}
		c.agents = append(c.agents, a)
		session, err := settle(t.Context(), svc, fmt.Sprintf("Owner %d", i))
		if err != nil {
			t.Fatal(err)
		}
		c.owners = append(c.owners, session)
	}
}

func join(ctx context.Context, svc *leash.Service, owner leash.Caller, name string) (*sdk.Registration, error) {
	key, err := sdk.GenerateKeyPair()
	if err != nil {
		return nil, err
	}
	invite, err := svc.CreateInvite(ctx, owner, leash.InviteInput{})
	if err != nil {
		return nil, err
	}
	_, err = svc.RedeemInvite(ctx, leash.RedeemInput{InviteID: invite.InviteID, InviteToken: invite.InviteToken, AgentID: name, PublicKeyB64: key.PublicKeyB64()})
	return &sdk.Registration{AgentID: name, KeyPair: key}, err
}

func settle(ctx context.Context, svc *leash.Service, name string) (leash.SessionGrant, error) {
	o, err := svc.CreateOwner(ctx, name, "HUMAN")
	if err != nil {
		return leash.SessionGrant{}, err
	}
	invite, err := svc.SetupInvite(ctx, o.ID)
	if err != nil {
		return leash.SessionGrant{}, err
	}
	if _, err := svc.Setup(ctx, invite.InviteID, invite.InviteToken, "correct horse"); err != nil {
		return leash.SessionGrant{}, err
	}
	return svc.Login(ctx, leash.LoginInput{OwnerID: o.ID, Passphrase: "correct horse"})
}

// ask has each agent want something that its owner must approve.
func (c *crowd) ask(t *testing.T, w *liveWorld) {
	for _, a := range c.agents {
		client, err := sdk.New(sdk.Config{URL: w.url, AgentID: a.AgentID, PrivateKeyB64: a.KeyPair.PrivateKeyB64()})
		if err != nil {
			t.Fatal(err)
		}
		d, err := client.Authorize(t.Context(), sdk.Action{Type: "purchase.order", Context: map[string]any{"amount": 250}})
		if err != nil {
			t.Fatal(err)
		}
		r, err := client.RequestApproval(t.Context(), d, "")
		if err != nil {
			t.Fatal(err)
		}
		c.requests = append(c.requests, r)
	}
}

// decide asks at a steady pace, 100 times a second, and returns how long the answers took, sorted.
// The time counts from when the request was due.
func (w *liveWorld) decide(t *testing.T, shopper *sdk.Client, each int) []time.Duration {
	took := make([]time.Duration, min(20*each, 2000))
	pace := time.NewTicker(10 * time.Millisecond)
	defer pace.Stop()
	var all sync.WaitGroup
	for i := range took {
		due := <-pace.C
		all.Go(func() {
			d, err := shopper.Authorize(t.Context(), sdk.Action{Type: "purchase.order", Context: map[string]any{"amount": 45}})
			if err != nil || !d.Allowed() {
				t.Errorf("got %+v, %v", d, err)
			}
			took[i] = time.Since(due)
		})
	}
	all.Wait()
	slices.Sort(took)
	return took
}

func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[int(q*float64(len(sorted)-1))].Round(10 * time.Microsecond)
}

// memory is what the server's process holds, in MiB; 0 where it cannot be known.
func (w *liveWorld) memory(t *testing.T) int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		t.Log(err)
	}
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kilobytes, _ := strconv.Atoi(strings.Fields(after + " 0")[0])
	return kilobytes >> 10
}

func (w *liveWorld) must(t *testing.T, method, path, token string) {
	as := *w.owner
	as.token = token
	if err := as.call(t.Context(), method, path, struct{}{}, nil); err != nil {
		t.Fatal(err)
	}
}

// clients are connections that wait for something to come.
type clients []net.Conn

func (c *clients) open(t *testing.T, url, path string, headers ...string) {
	addr := strings.TrimPrefix(url, "http://")
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	var b strings.Builder
	fmt.Fprintf(&b, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, addr)
	for pair := range slices.Chunk(headers, 2) {
		fmt.Fprintf(&b, "%s: %s\r\n", pair[0], pair[1])
	}
	if _, err := conn.Write([]byte(b.String() + "\r\n")); err != nil {
		t.Fatal(err)
	}
	*c = append(*c, conn)
}

// await reads of every connection until it has said a text.
func (c clients) await(t *testing.T, text string) {
	buf := make([]byte, 4096)
	for i, conn := range c {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		for said := ""; !strings.Contains(said, text); {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("connection %d said %q and not %s: %v", i, said, text, err)
			}
			said += string(buf[:n])
		}
	}
}
