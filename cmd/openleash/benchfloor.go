package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/proof"
)

// floorCommand is the yardstick of bench: what a proved decision costs if there is nothing to it.
func floorCommand(a *app) *cobra.Command {
	var log string
	c := &cobra.Command{Use: "floor PUBLIC_KEY", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			key, err := proof.ParsePublicKeyB64(args[0])
			if err != nil {
				return err
			}
			f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			defer f.Close()
			return a.serveFloor(cmd.Context(), &floor{agent: key, log: f, nonces: map[string]bool{}})
		}}
	c.Flags().StringVar(&log, "log", "floor.log", "file to append to")
	return c
}

type floor struct {
	agent  ed25519.PublicKey
	key    ed25519.PrivateKey
	log    io.Writer
	mu     sync.Mutex
	nonces map[string]bool
}

func (a *app) serveFloor(ctx context.Context, f *floor) (err error) {
	if _, f.key, err = ed25519.GenerateKey(rand.Reader); err != nil {
		return err
	}
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := a.printJSON(map[string]string{"url": "http://" + l.Addr().String()}); err != nil {
		return err
	}
	s := &http.Server{Handler: f, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (f *floor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h := proof.SignedHeaders{AgentID: r.Header.Get(proof.HeaderAgentID), Timestamp: r.Header.Get(proof.HeaderTimestamp),
		Nonce: r.Header.Get(proof.HeaderNonce), BodySHA256: r.Header.Get(proof.HeaderBodySHA256), Signature: r.Header.Get(proof.HeaderSignature)}
	sum := sha256.Sum256(body)
	if err != nil || hex.EncodeToString(sum[:]) != h.BodySHA256 || proof.VerifyRequest(f.agent, r.Method, r.URL.Path, "", h) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var action struct {
		ActionID   string         `json:"action_id"`
		ActionType string         `json:"action_type"`
		Payload    map[string]any `json:"payload"`
	}
	err = json.Unmarshal(body, &action)
	amount, _ := action.Payload["amount_minor"].(float64)
	if err != nil || action.ActionType != "purchase" || amount > 50000 || action.Payload["currency"] != "USD" {
		fmt.Fprint(w, `{"result":"DENY"}`)
		return
	}
	claims, _ := json.Marshal(map[string]any{"iat": h.Timestamp, "exp": h.Timestamp, "decision_id": h.Nonce, "agent_id": h.AgentID,
		"action_type": action.ActionType, "action_hash": h.BodySHA256})
	token := "v4.public." + base64.RawURLEncoding.EncodeToString(append(claims, ed25519.Sign(f.key, claims)...))
	line, _ := json.Marshal(map[string]any{"timestamp": h.Timestamp, "event_type": "DECISION_CREATED", "decision_id": h.Nonce, "action": action})
	if !f.record(h.Nonce, append(line, '\n')) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"result": "ALLOW", "decision_id": h.Nonce, "proof_token": token}) // the client is gone
}

// record appends three lines at once, as the existing OpenLeash does, unless the nonce was seen.
func (f *floor) record(nonce string, line []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.nonces[nonce] {
		return false
	}
	f.nonces[nonce] = true
	_, err := f.log.Write(bytes.Repeat(line, 3))
	return err == nil
}
