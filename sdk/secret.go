package sdk

import (
	"fmt"
	"io"
)

// Format writes the public half, whatever the verb: a private key does not get into logs by printing what holds it.
func (k KeyPair) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "sdk.KeyPair("+k.name()+")")
}

// MarshalText returns the public half.
func (k KeyPair) MarshalText() ([]byte, error) { return []byte(k.name()), nil }

func (k KeyPair) name() string {
	if len(k.Private) == 0 {
		return "no key"
	}
	return k.PublicKeyB64()
}

// Format writes which server and agent it is for, and not the private key.
func (c Config) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sdk.Config(%s, agent %s)", c.URL, c.AgentID)
}

// Format writes which agent the client speaks for, and not its private key.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "sdk.Client(agent %s)", c.agentID)
}
