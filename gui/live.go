package gui

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/store"
)

const (
	heartbeat = 15 * time.Second
	patience  = 15 * time.Second // for a client that reads slowly
)

// change tells a page that something is new. It carries no content of agents beyond a line for a
// notification: the page reads the rest anew.
type change struct {
	Topic   string `json:"topic"` // approvals, drafts, agents, policies or log
	Message string `json:"message,omitempty"`
	Link    string `json:"link,omitempty"`
	Seq     uint64 `json:"seq"`
	Waiting int    `json:"waiting"`
	Counts  counts `json:"counts"`
}

// topics say what of the portal an event changes.
var topics = map[store.EventType]string{
	store.ApprovalRequested: "approvals", store.ApprovalApproved: "approvals", store.ApprovalDenied: "approvals", store.ApprovalExpired: "approvals",
	store.DraftSubmitted: "drafts", store.DraftApproved: "drafts", store.DraftDenied: "drafts",
	store.AgentRegistered: "agents", store.AgentUpdated: "agents", store.AgentRevoked: "agents",
	store.PolicyUpdated: "policies", store.PolicyDeleted: "policies", store.PolicyRefused: "policies", store.PolicyRecovered: "policies",
	store.BudgetAlert: "log",
}

// events streams changes (server-sent events, WHATWG HTML section 9.2) until the session ends or the server stops.
func events(v *visit) error {
	after, err := strconv.ParseUint(cmp.Or(v.r.Header.Get("Last-Event-ID"), v.query("after")), 10, 63)
	if err != nil {
		return &leash.Error{Code: leash.InvalidRequest, Message: "the stream begins after an entry of the log; name its number"}
	}
	ctx, leave, err := v.svc.Hold(v.ctx(), v.caller.By())
	if err != nil {
		return err
	}
	defer leave()
	h := v.w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	v.w.WriteHeader(http.StatusOK)
	v.pump(v.follow(ctx, after))
	return nil
}

// follow turns the owner's log into a channel of entries that change something; it closes at the end.
func (v *visit) follow(ctx context.Context, after uint64) <-chan store.Entry {
	out := make(chan store.Entry)
	go func() {
		defer close(out)
		for e, err := range v.svc.Stream(ctx, v.caller, after) {
			if err != nil {
				return
			}
			if topics[e.Type] == "" {
				continue
			}
			select {
			case out <- e:
			case <-ctx.Done():
				return
			}
		}
	}()
	return out
}

// gather is how long a burst of changes is gathered before pages are told to read anew.
const gather = 150 * time.Millisecond

// pump tells of changes, a burst at a time and of each topic once.
func (v *visit) pump(entries <-chan store.Entry) {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	if v.send("retry: 3000\n\n") != nil {
		return
	}
	var last uint64
	var due <-chan time.Time
	var topic []string
	latest := map[string]store.Entry{}
	for {
		select {
		case <-beat.C:
			if _, err := v.svc.Session(v.ctx(), v.token); err != nil {
				_ = v.send("event: end\ndata: {}\n\n") // the client is told, or gone
				return
			}
			if v.send(": still here\n\n") != nil {
				return
			}
		case e, more := <-entries:
			if !more {
				return
			}
			if len(topic) == 0 {
				due = time.After(gather)
			}
			if t := topics[e.Type]; !slices.Contains(topic, t) {
				topic = append(topic, t)
			}
			latest[topics[e.Type]], last = e, e.Seq
		case <-due:
			for _, t := range topic {
				data, err := json.Marshal(v.changeOf(latest[t]))
				if err != nil || v.send(fmt.Sprintf("id: %d\nevent: change\ndata: %s\n\n", last, data)) != nil {
					return
				}
			}
			topic, due = nil, nil
		}
	}
}

func (v *visit) changeOf(e store.Entry) change {
	c := change{Topic: topics[e.Type], Seq: e.Seq, Counts: v.waiting()}
	c.Waiting = c.Counts.Sum()
	var data struct {
		ApprovalID string `json:"approval_request_id"`
		DraftID    string `json:"policy_draft_id"`
		ActionType string `json:"action_type"`
		Status     string `json:"status"`
	}
	_ = json.Unmarshal(e.Data, &data) // what it does not hold is not told
	switch {
	case e.Type == store.ApprovalRequested:
		c.Message, c.Link = short(e.AgentID)+" asks for "+short(data.ActionType), "/gui/approvals/"+data.ApprovalID
	case e.Type == store.DraftSubmitted:
		c.Message, c.Link = short(e.AgentID)+" proposes a policy", "/gui/drafts/"+data.DraftID
	case e.Type == store.AgentRegistered && data.Status == string(store.Pending):
		c.Message, c.Link = short(e.AgentID)+" asks to be your agent", "/gui/agents/"+e.AgentPrincipalID
	case e.Type == store.PolicyRefused:
		c.Message, c.Link = "A policy file cannot be used", "/gui/policies"
	}
	return c
}

// extend gives the client some time more to take what is written. Not every writer can.
func extend(control *http.ResponseController) {
	_ = control.SetWriteDeadline(time.Now().Add(patience)) //nolint:forbidigo // a socket's deadline is on the machine's own clock
}

// send writes at once, and gives the client so long to take it.
func (v *visit) send(text string) error {
	control := http.NewResponseController(v.w)
	extend(control)
	if _, err := v.w.Write([]byte(text)); err != nil {
		return err
	}
	return control.Flush()
}
