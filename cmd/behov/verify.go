package main

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/audit"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Verify that the audit trail was not changed",
		Long: `Read the whole audit trail and check that no record was changed, removed, put in
or moved, that every step has one outcome, and that the access intervals that
questions are answered from are those the records give. Note the head it prints
somewhere else: the same head later proves that nothing before it changed.`,
		Example: "  behov audit verify",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			s, err := i.db.VerifyAudit(ctx)
			if err != nil {
				return fmt.Errorf("the audit trail does not verify: %w", err)
			}
			if a.json {
				return a.printJSON(verifyJSON{s.Records, hex.EncodeToString(s.Head), len(s.Intervals), append([]audit.AttemptID{}, s.OpenSteps...)})
			}
			a.printf("Audit trail verified: %s, %s, head %x.\n", count(int(s.Records), "record", "records"), count(len(s.Intervals), "access interval", "access intervals"), s.Head)
			if n := len(s.OpenSteps); n > 0 {
				a.printf("%s begun and not seen to end; the next apply finds out.\n", count(n, "step was", "steps were"))
			}
			return nil
		}),
	}
}
