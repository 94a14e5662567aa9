package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openleash/openleash-go/internal/inert"
	"github.com/openleash/openleash-go/leash"
	"github.com/openleash/openleash-go/proof"
	"github.com/openleash/openleash-go/store"
	"github.com/openleash/openleash-go/store/file"
)

func auditCommand(a *app) *cobra.Command {
	return forOwner(a, noun("audit", "The log: list, tail, verify, export, redact, adopt",
		auditList(a), auditTail(a), auditVerify(a), auditExport(a), auditRedact(a), auditAdopt(a)))
}

// auditFilter is which entries to show.
type auditFilter struct {
	agent, kind, result, policy, since, until, text string
	limit                                           int
}

func (f *auditFilter) flags(c *cobra.Command) {
	s := c.Flags()
	s.SortFlags = false
	s.StringVar(&f.agent, "agent", "", "only of this agent")
	s.StringVar(&f.kind, "type", "", "only these event types, with commas between, such as DECISION_CREATED")
	s.StringVar(&f.result, "result", "", "only decisions with this result")
	s.StringVar(&f.policy, "policy", "", "only decisions of this policy")
	s.StringVar(&f.since, "since", "", "only from this time on (RFC 3339), or since a duration ago such as 24h")
	s.StringVar(&f.until, "until", "", "only before this time, likewise")
	s.StringVar(&f.text, "search", "", "only entries that contain this text")
	s.IntVarP(&f.limit, "limit", "n", 50, "how many, at most 500")
}

// query is the filter as the API takes it.
func (f *auditFilter) query(now time.Time) (string, error) {
	q := url.Values{}
	for name, v := range map[string]string{"event_type": strings.ToUpper(f.kind), "result": strings.ToUpper(f.result), "policy_id": f.policy, "q": f.text} {
		if v != "" {
			q.Set(name, v)
		}
	}
	for name, v := range map[string]string{"since": f.since, "until": f.until} {
		t, err := pointInTime(v, now)
		if err != nil {
			return "", misuse("--%s: %w", name, err)
		}
		if !t.IsZero() {
			q.Set(name, t.UTC().Format(time.RFC3339Nano))
		}
	}
	if f.limit < 1 || f.limit > 500 {
		return "", misuse("--limit is %d: want 1 to 500", f.limit)
	}
	q.Set("limit", strconv.Itoa(f.limit))
	return q.Encode(), nil
}

// pointInTime reads a time, or a duration before now; "" is the zero time.
func pointInTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return now.Add(-d), nil
	}
	if days, err := strconv.ParseUint(strings.TrimSuffix(s, "d"), 10, 16); err == nil && strings.HasSuffix(s, "d") {
		return now.Add(-time.Duration(days) * 24 * time.Hour), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("%q is neither an RFC 3339 time such as 2026-04-10T12:00:00Z nor a duration such as 24h or 7d", s)
	}
	return t, nil
}

func auditList(a *app) *cobra.Command {
	var f auditFilter
	c := &cobra.Command{Use: "list", Short: "List what happened, newest first", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			query, err := f.query(a.clock())
			if err != nil {
				return err
			}
			if f.agent != "" {
				principal, err := a.principal(cmd.Context(), f.agent)
				if err != nil {
					return err
				}
				query += "&agent_principal_id=" + url.QueryEscape(principal)
			}
			return ask(cmd.Context(), a, http.MethodGet, "/v1/admin/audit?"+query, nil, func(p leash.AuditPage) error {
				if len(p.Items) == 0 {
					a.say("Nothing yet, or nothing that fits.")
				}
				for _, e := range p.Items {
					a.say("%s", a.entryLine(e))
				}
				return nil
			})
		}}
	f.flags(c)
	return c
}

// principal is the principal id of an agent that is named by either id. The log knows agents by it, since an agent_id
// may pass on.
func (a *app) principal(ctx context.Context, id string) (string, error) {
	if strings.HasPrefix(id, "agt_") {
		return id, nil
	}
	var agent leash.AgentView
	err := a.with(ctx, func(c *api) error {
		return c.call(ctx, http.MethodGet, "/v1/owner/agents/"+url.PathEscape(id), nil, &agent)
	})
	return agent.PrincipalID, err
}

// entryLine is one log entry on one line.
func (a *app) entryLine(e store.Entry) painted {
	what, detail := safe(e.Type), painted(shorten(printable(string(e.Data)), 120))
	if d := e.Decision; d != nil {
		what = a.paint.verdict(string(d.Result))
		detail = painted(printable(d.ActionType+" "+compact(e.Action))) + a.paint.faint("  "+printable(orRule(d)))
	}
	return painted(fmt.Sprintf("%s  %s  %s%s  %s", a.paint.faint(when(e.Time)), a.paint.faint(fmt.Sprintf("%6d", e.Seq)),
		printable(orDash(e.AgentID))+"  ", a.paint.bold(what), detail))
}

// shorten cuts a text to n characters.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// orRule says what decided.
func orRule(d *store.Decision) string {
	if d.RuleID != "" {
		return d.PolicyID + "/" + d.RuleID
	}
	return d.Reason
}

func auditTail(a *app) *cobra.Command {
	var follow bool
	var lines int
	c := &cobra.Command{Use: "tail [-f]", Short: "Show the last entries, and with -f those to come", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lines < 0 || lines > 500 {
				return misuse("--lines is %d: want 0 to 500", lines)
			}
			return a.with(cmd.Context(), func(c *api) error {
				return a.tail(cmd.Context(), c, lines, follow)
			})
		}}
	c.Flags().BoolVarP(&follow, "follow", "f", false, "go on, until Ctrl-C")
	c.Flags().IntVarP(&lines, "lines", "n", 10, "how many to begin with, at most 500")
	return c
}

func (a *app) tail(ctx context.Context, c *api, lines int, follow bool) error {
	var last leash.AuditPage
	if err := c.call(ctx, http.MethodGet, "/v1/admin/audit?limit="+strconv.Itoa(max(lines, 1)), nil, &last); err != nil {
		return err
	}
	var seq uint64
	for _, e := range slices.Backward(last.Items) {
		seq = e.Seq
		if lines > 0 {
			if err := a.showEntry(e); err != nil {
				return err
			}
		}
	}
	if !follow {
		return nil
	}
	for e, err := range c.entries(ctx, seq) {
		if err == nil {
			err = a.showEntry(e)
		}
		if err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil // Ctrl-C is how this ends
	}
	return errors.New("the server ended the stream")
}

func (a *app) showEntry(e store.Entry) error {
	if a.asJSON {
		var line strings.Builder
		if err := store.WriteJSONLines(&line, one(e)); err != nil {
			return err
		}
		_, err := fmt.Fprint(a.out, inert.JSON(line.String()))
		return err
	}
	a.say("%s", a.entryLine(e))
	return nil
}

func auditVerify(a *app) *cobra.Command {
	var checkpoint, keys string
	var fromCheckpoint bool
	c := &cobra.Command{
		Use:   "verify",
		Short: "Check that no entry was changed, dropped, added or reordered",
		Long: `Checks the chain of the whole log, and the signed checkpoints in it, without a server and without changing
anything. With --checkpoint, one that you kept elsewhere, a log that was cut off or written anew shows too.
The keys are those of the data folder unless --keys names others: bring your own, since whoever can write the
folder can write its keys.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o := file.VerifyOptions{FromCheckpoint: fromCheckpoint, Progress: a.progress("verifying")}
			var err error
			if checkpoint != "" {
				if o.Checkpoint, err = os.ReadFile(checkpoint); err != nil {
					return fmt.Errorf("reading the checkpoint: %w", err)
				}
			}
			if keys != "" {
				if o.PublicKeys, err = logKeys(keys); err != nil {
					return err
				}
			}
			if there, err := a.settings.hasData(); err != nil {
				return err
			} else if !there {
				return a.noData()
			}
			report, err := file.Verify(cmd.Context(), a.settings.data, o)
			a.progress("")(1, 1)
			return a.showLogReport(report, err)
		},
	}
	c.Flags().StringVar(&checkpoint, "checkpoint", "", "file with a signed checkpoint that was kept elsewhere")
	c.Flags().BoolVar(&fromCheckpoint, "from-checkpoint", false, "check only what came after it")
	c.Flags().StringVar(&keys, "keys", "", "file with the log keys, as openleash keys list --json prints them")
	return c
}

// logKeys reads the keys that sign checkpoints from what `keys list --json` prints.
func logKeys(name string) (map[string]ed25519.PublicKey, error) {
	var list page[leash.KeyView]
	if err := readJSON(name, &list); err != nil {
		return nil, fmt.Errorf("reading the log keys: %w", err)
	}
	out := map[string]ed25519.PublicKey{}
	for _, k := range list.Items {
		if k.Purpose != proof.PurposeLog {
			continue
		}
		key, err := proof.ParsePublicKeyB64(k.PublicKeyB64)
		if err != nil {
			return nil, fmt.Errorf("reading the log keys: %s: %w", k.KID, err)
		}
		out[k.KID] = key
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("reading the log keys: %s holds none", name)
	}
	return out, nil
}

func (a *app) showLogReport(r file.VerifyReport, err error) error {
	var wrong *file.VerifyError
	if err != nil && !errors.As(err, &wrong) {
		return err
	}
	if a.asJSON {
		out := map[string]any{"valid": err == nil, "report": r}
		if wrong != nil {
			out["file"], out["line"], out["seq"], out["reason"] = wrong.File, wrong.Line, wrong.Seq, wrong.Error()
		}
		if e := a.printJSON(out); e != nil || err == nil {
			return e
		}
		return exitCode(refused)
	}
	if err != nil {
		a.note("%s  %v\n  what stands before it holds: %d entries", a.paint.bold(a.paint.red("NOT INTACT")), err, r.Entries)
		return exitCode(refused)
	}
	a.say("%s  %d entries in %s, the last %s", a.paint.bold(a.paint.green("INTACT")), r.Entries, plural(r.Segments, "file", "files"), r.LastHash)
	a.say("  signed    %s, through entry %d", plural(r.Checkpoints, "checkpoint", "checkpoints"), r.SignedThrough)
	if r.Redacted > 0 {
		a.say("  redacted  %d entries", r.Redacted)
	}
	if r.Withheld > 0 {
		a.say("  withheld  values of %d entries, when they were written", r.Withheld)
	}
	if r.Pending > 0 {
		a.say("  pending   %s; the next start of the server finishes them", plural(r.Pending, "redaction", "redactions"))
	}
	if r.LastSeq > r.SignedThrough {
		a.say("  An end cut off after entry %d would not show; the next checkpoint covers it.", r.SignedThrough)
	}
	return nil
}

func auditExport(a *app) *cobra.Command {
	var output, format, since, until string
	c := &cobra.Command{Use: "export", Short: "Write the log, oldest first, as JSON lines or CSV", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			write := store.WriteJSONLines
			switch format {
			case "jsonl":
			case "csv":
				write = store.WriteCSV
			default:
				return misuse("--format is %q: want jsonl or csv", format)
			}
			from, err := pointInTime(since, a.clock())
			if err != nil {
				return misuse("--since: %w", err)
			}
			to, err := pointInTime(until, a.clock())
			if err != nil {
				return misuse("--until: %w", err)
			}
			out := a.out
			if output != "" {
				f, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
				if err != nil {
					return fmt.Errorf("exporting the log: %w", err)
				}
				defer func() { err = errors.Join(err, f.Close()) }()
				out = f
			}
			return a.with(cmd.Context(), func(c *api) error {
				return write(out, between(c.history(cmd.Context()), from, to))
			})
		}}
	f := c.Flags()
	f.SortFlags = false
	f.StringVarP(&output, "output", "o", "", "file to write (default: standard output)")
	f.StringVar(&format, "format", "jsonl", "jsonl or csv")
	f.StringVar(&since, "since", "", "only from this time on (RFC 3339), or since a duration ago such as 24h")
	f.StringVar(&until, "until", "", "only before this time, likewise")
	return c
}

func auditRedact(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "redact ID PATH…",
		Short: "Take values out of one entry for ever; the chain stays whole",
		Long: `Takes values out of the payload of one entry, named by its id or its decision's, and leaves commitments in their
place. Copies and backups are not touched.`,
		Example: `  openleash audit redact dec_01jz… '$.payload.email'`,
		Args:    cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := map[string]any{"id": args[0], "paths": args[1:]}
			return ask(cmd.Context(), a, http.MethodPost, "/v1/admin/audit/redact", in, func(out struct {
				Removed []string `json:"removed"`
			}) error {
				if len(out.Removed) == 0 {
					a.say("Nothing to take out: those paths are not there.")
					return nil
				}
				a.say("Taken out: %s.", strings.Join(out.Removed, ", "))
				return nil
			})
		},
	}
}

func auditAdopt(a *app) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "adopt",
		Short: "Go on after the log was lost, with budgets at their last known sums",
		Long: `A folder whose log was moved, emptied, shortened or replaced does not open: a budget would begin at 0 again, and
approvals could be redeemed twice. Put the file back, or restore a backup, if you can. If not, this command accepts the
log as it is. It records in the log that entries are missing, and carries over the budgets and redeemed approvals of the
last snapshot. The server must be stopped.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if has, err := a.settings.hasData(); err != nil || !has {
				return cmp.Or(err, fmt.Errorf("%s is not a data folder", a.settings.data))
			}
			log, _, err := a.settings.logger(a.err, slog.LevelWarn)
			if err != nil {
				return err
			}
			var declined bool
			lost, err := file.Adopt(cmd.Context(), a.settings.data, file.Options{Clock: a.clock, Log: log}, func(lost *file.LostLogError) bool {
				declined = !yes && !a.agrees(fmt.Sprintf("%v.\n\nEntries after %d are lost. Adopt the log as it is?", lost.Why, lost.Ends))
				return !declined
			})
			switch {
			case declined:
				return errors.New("nothing was changed; add --yes to adopt the log without being asked")
			case err != nil:
				return locked(err)
			case lost == nil:
				a.say("The log is whole; nothing was changed.")
			default:
				a.say("The log is adopted as it is. It says so in a LOG_ADOPTED entry; budgets are at their last known sums.")
			}
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

// agrees asks a person at the terminal; without one, the answer is no.
func (a *app) agrees(question string) bool {
	if !a.interactive {
		fmt.Fprintln(a.err, question)
		return false
	}
	fmt.Fprintf(a.err, "%s [y/N] ", question)
	answer, err := bufio.NewReader(a.in).ReadString('\n')
	return err == nil && strings.EqualFold(strings.TrimSpace(answer), "y")
}
