package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/sdk"
)

// loadRound sends requests over connections at once, each as soon as the one before was answered.
// They are signed before the clock starts, so that the load costs little beside the server.
func loadRound(ctx context.Context, t *target, agent *sdk.Registration, connections, requests int, clock func() time.Time) (benchResult, error) {
	ready := make([][]byte, requests)
	for i := range ready {
		ready[i] = signedRequest(t.addr, agent, clock())
	}
	var next atomic.Int64
	took := make([][]time.Duration, connections)
	errs := make([]error, connections)
	before, began := t.cpu(), time.Now()
	var all sync.WaitGroup
	for w := range connections {
		all.Go(func() {
			took[w], errs[w] = drive(ctx, t.addr, func() []byte {
				if i := next.Add(1) - 1; i < int64(requests) {
					return ready[i]
				}
				return nil
			})
		})
	}
	all.Wait()
	wall, used := time.Since(began), t.cpu()-before
	if err := errors.Join(errs...); err != nil {
		return benchResult{}, err
	}
	latencies := slices.Concat(took...)
	slices.Sort(latencies)
	at := func(q float64) float64 {
		return latencies[min(int(q*float64(len(latencies))), len(latencies)-1)].Seconds() * 1e3
	}
	return benchResult{t.name, connections, float64(requests) / wall.Seconds(), at(0.50), at(0.99),
		used.Seconds() * 1e6 / float64(requests)}, nil
}

// drive sends what next gives over one connection until it gives nothing.
func drive(ctx context.Context, addr string, next func() []byte) (took []time.Duration, err error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	answers := bufio.NewReaderSize(conn, 64<<10)
	var body bytes.Buffer
	for req := next(); req != nil; req = next() {
		began := time.Now()
		if err := conn.SetDeadline(began.Add(30 * time.Second)); err != nil {
			return nil, err
		}
		if _, err := conn.Write(req); err != nil {
			return nil, err
		}
		res, err := http.ReadResponse(answers, nil)
		if err != nil {
			return nil, err
		}
		body.Reset()
		_, err = io.Copy(&body, res.Body)
		took = append(took, time.Since(began))
		if err := errors.Join(err, res.Body.Close()); err != nil {
			return nil, err
		}
		if !bytes.Contains(body.Bytes(), []byte(`"result":"ALLOW"`)) || !bytes.Contains(body.Bytes(), []byte(`"v4.public.`)) {
			return nil, fmt.Errorf("an answer is no ALLOW with a proof: %s: %s", res.Status, body.String())
		}
	}
	return took, nil
}

// signedRequest is one whole request as it goes over the wire.
func signedRequest(addr string, agent *sdk.Registration, now time.Time) []byte {
	body := fmt.Appendf(nil, `{"action_id":"act_%s","action_type":"purchase","requested_at":"%s","principal":{"agent_id":"%s"},`+
		`"relying_party":{"domain":"shop.example.com","trust_profile":"LOW"},"payload":{"amount_minor":4500,"currency":"USD",`+
		`"merchant_domain":"shop.example.com","category":"office_supplies","description":"Two boxes of paper and one toner cartridge"}}`,
		rand.Text(), proof.FormatTime(now), agent.AgentID)
	h := proof.SignRequest(agent.KeyPair.Private, agent.AgentID, http.MethodPost, "/v1/authorize", now, rand.Text(), body)
	req := fmt.Appendf(nil, "POST /v1/authorize HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"+
		"%s: %s\r\n%s: %s\r\n%s: %s\r\n%s: %s\r\n%s: %s\r\n\r\n", addr, len(body),
		proof.HeaderAgentID, h.AgentID, proof.HeaderTimestamp, h.Timestamp, proof.HeaderNonce, h.Nonce,
		proof.HeaderBodySHA256, h.BodySHA256, proof.HeaderSignature, h.Signature)
	return append(req, body...)
}

// cpu is the processor time that the target has used, as Linux counts it; 0 on other systems.
func (t *target) cpu() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", t.process.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name before it may hold anything
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // proc(5): clock ticks of 1/100 s
}
