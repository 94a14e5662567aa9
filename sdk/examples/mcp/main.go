// Command mcp is an MCP server over stdio whose tools run only on ALLOW. Run it with the agent's
// environment: go run ./sdk/examples/mcp.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/openleash/openleash-go/sdk"
)

func main() {
	client, err := sdk.FromEnv()
	if err != nil {
		log.Fatal(err)
	}
	s := server{client: client, tools: []tool{placeOrder()}}
	if err := s.serve(context.Background(), os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

// tool is one tool, and the action that a policy knows it by.
type tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Schema      json.RawMessage `json:"inputSchema"`

	action string
	run    func(arguments map[string]any, proof string) (string, error)
}

func placeOrder() tool {
	return tool{
		Name: "place_order", Description: "Order something from a shop.", action: "purchase.order",
		Schema: json.RawMessage(`{"type":"object","required":["amount","currency"],"properties":{"amount":{"type":"number"},"currency":{"type":"string"}}}`),
		run: func(arguments map[string]any, proof string) (string, error) {
			return fmt.Sprintf("ordered for %v %v", arguments["amount"], arguments["currency"]), nil
		},
	}
}

type server struct {
	client *sdk.Client
	tools  []tool
}

type request struct {
	ID     json.RawMessage `json:"id"`
	Method string          `json:"method"`
	Params struct {
		ProtocolVersion string         `json:"protocolVersion"`
		Name            string         `json:"name"`
		Arguments       map[string]any `json:"arguments"`
	} `json:"params"`
}

type object map[string]any

// serve answers JSON-RPC requests, one a line, until the input ends.
func (s server) serve(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		answer := object{"error": object{"code": -32600, "message": "invalid request"}}
		if err := json.Unmarshal(lines.Bytes(), &r); err == nil {
			if r.ID == nil {
				continue // a notification
			}
			answer = s.answer(ctx, r)
		}
		answer["jsonrpc"], answer["id"] = "2.0", r.ID
		if err := json.NewEncoder(out).Encode(answer); err != nil {
			return err
		}
	}
	return lines.Err()
}

func (s server) answer(ctx context.Context, r request) object {
	switch r.Method {
	case "initialize":
		return object{"result": object{"protocolVersion": r.Params.ProtocolVersion,
			"capabilities": object{"tools": object{}}, "serverInfo": object{"name": "guarded", "version": "1"}}}
	case "ping":
		return object{"result": object{}}
	case "tools/list":
		return object{"result": object{"tools": s.tools}}
	case "tools/call":
		for _, t := range s.tools {
			if t.Name == r.Params.Name {
				return object{"result": s.call(ctx, t, r.Params.Arguments)}
			}
		}
	}
	return object{"error": object{"code": -32601, "message": "no such method or tool"}}
}

// call runs a tool if the owner's policy allows it; if not, the model is told why.
func (s server) call(ctx context.Context, t tool, arguments map[string]any) object {
	var text string
	err := s.client.Guard(ctx, sdk.Action{Type: t.action, Context: arguments}, func(_ context.Context, d *sdk.Decision) (err error) {
		text, err = t.run(arguments, d.ProofToken)
		return err
	})
	if err != nil {
		return object{"content": []object{{"type": "text", "text": "not done: " + err.Error()}}, "isError": true}
	}
	return object{"content": []object{{"type": "text", "text": text}}}
}
