package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/behov/behov/internal/audit"
)

func (a *app) verifyCommand() *cobra.Command {
	var checkpoints []string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Verify that the audit trail was not changed",
		Long: `Read the whole audit trail and check that no record was changed, removed, put in
or moved, that every step has one outcome, and that the access intervals that
questions are answered from are those the records give.

Who can write to the database can write another trail that is whole. Against that helps
a checkpoint that someone else keeps (behov audit head, behov audit publish): with
--checkpoint the trail must continue it.`,
		Example: "  behov audit verify\n  behov audit verify --checkpoint /mnt/auditor/2026-11-30.checkpoint",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			s, err := i.db.VerifyAudit(ctx)
			if err != nil {
				return fmt.Errorf("the audit trail does not verify: %w", err)
			}
			key, err := i.db.LogKey()
			if err != nil {
				return err
			}
			head, err := i.db.LogHead(ctx)
			if err != nil {
				return err
			}
			sizes := []int64{}
			for _, file := range checkpoints {
				signed, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				old, err := key.Open(signed)
				if err == nil {
					err = audit.CheckConsistent(ctx, i.db, head, old)
				}
				if err != nil {
					return fmt.Errorf("the audit trail does not verify: %s: %w", file, err)
				}
				sizes = append(sizes, old.Size)
			}
			if a.json {
				return a.printJSON(verifyJSON{s.Records, hex.EncodeToString(s.Head), hex.EncodeToString(head.Root), len(s.Intervals), sizes, append([]audit.AttemptID{}, s.OpenSteps...)})
			}
			a.printf("Audit trail verified: %s, %s, head %x.\n", count(int(s.Records), "record", "records"), count(len(s.Intervals), "access interval", "access intervals"), s.Head)
			for n, size := range sizes {
				a.printf("It continues %s: its first %s are unchanged.\n", checkpoints[n], count(int(size), "record", "records"))
			}
			if n := len(s.OpenSteps); n > 0 {
				a.printf("%s begun and not seen to end; the next apply finds out.\n", count(n, "step was", "steps were"))
			}
			return nil
		}),
	}
	cmd.Flags().StringArrayVar(&checkpoints, "checkpoint", nil, "a checkpoint that the trail must continue; may be given several times")
	return cmd
}

func (a *app) headCommand() *cobra.Command {
	var at int64
	cmd := &cobra.Command{
		Use:   "head",
		Short: "Print a signed checkpoint of the audit trail, and the key that verifies it",
		Long: `Print how many records the log of the audit trail has and the root of its Merkle tree,
signed (https://c2sp.org/tlog-checkpoint). Have it kept where the database's owner
cannot write: behov audit verify --checkpoint then proves that no record up to it was
changed since. The key is for who verifies: behov-verify, or any tool for such logs.`,
		Example: "  behov audit head > 2026-11-30.checkpoint\n  behov audit head --at 1200\n  behov audit head --json",
		Args:    cobra.NoArgs,
		RunE: a.withInstallation(func(ctx context.Context, i *installation, _ []string) error {
			key, err := i.db.LogKey()
			if err != nil {
				return err
			}
			head, err := i.db.LogHead(ctx)
			if err == nil && at > 0 {
				head, err = audit.At(ctx, i.db, head, at)
			}
			if err != nil {
				return err
			}
			signed, err := key.Sign(head)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(headJSON{head.Size, hex.EncodeToString(head.Root), key.Origin, key.Public, string(signed)})
			}
			a.printf("%s", signed)
			_, err = fmt.Fprintf(a.stderr, "The key that verifies it: %s\n", key.Public)
			return err
		}),
	}
	cmd.Flags().Int64Var(&at, "at", 0, "of the log as it was with so many records (default: all)")
	return cmd
}

func (a *app) publishCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "publish DIR",
		Short: "Write the log of the audit trail into a directory, for others to verify",
		Long: `Write what the directory lacks of the log: its tiles, its entries and a signed checkpoint
(https://c2sp.org/tlog-tiles). The entries have IDs and reasons and no names; what is
sealed is there by its hash. A directory whose checkpoint the log does not continue is
left as it is, and that is the error.`,
		Example: "  behov audit publish /mnt/auditor/log\n  behov-verify -key KEY /mnt/auditor/log",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			signed, err := audit.Publish(ctx, i.db, args[0])
			if err != nil {
				return err
			}
			key, err := i.db.LogKey()
			if err != nil {
				return err
			}
			c, err := key.Open(signed)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(headJSON{c.Size, hex.EncodeToString(c.Root), key.Origin, key.Public, string(signed)})
			}
			a.printf("Published %s in %s. The key that verifies them: %s\n", count(int(c.Size), "record", "records"), args[0], key.Public)
			return nil
		}),
	}
}

func (a *app) proveRecordCommand() *cobra.Command {
	var entryFile string
	cmd := &cobra.Command{
		Use:   "prove RECORD",
		Short: "Print the proof that a record is in the log of the audit trail",
		Long: `Print the proof that the record with the number is in the log, with a signed checkpoint
(https://c2sp.org/tlog-proof). With --entry the record itself, which the proof is
about, is written to a file: behov-verify needs both, and the public key.`,
		Example: "  behov audit prove 1200 --entry 1200.json > 1200.tlog-proof\n  behov-verify -key KEY -proof 1200.tlog-proof -entry 1200.json",
		Args:    cobra.ExactArgs(1),
		RunE: a.withInstallation(func(ctx context.Context, i *installation, args []string) error {
			var record int64
			if _, err := fmt.Sscan(args[0], &record); err != nil {
				return fmt.Errorf("%q is no number of a record: behov audit log lists them", args[0])
			}
			proof, entry, err := audit.Prove(ctx, i.db, record)
			if err != nil {
				return err
			}
			if entryFile != "" {
				if err := os.WriteFile(entryFile, entry, 0o600); err != nil {
					return err
				}
			}
			if a.json {
				return a.printJSON(proofJSON{record, string(entry), string(proof)})
			}
			a.printf("%s", proof)
			return nil
		}),
	}
	cmd.Flags().StringVar(&entryFile, "entry", "", "the file to which the record is written")
	return cmd
}
