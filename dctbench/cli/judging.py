"""stub"""


def print_outcome(outcome, fmt, everything=False):
    j = outcome.judgement
    for v in j.verdicts:
        if everything or v.kind.value != "PASS":
            print(
                v.case.name,
                v.case.seq_len,
                v.metric,
                v.kind.value,
                v.effect and round(v.effect, 3),
                v.low and (round(v.low, 3), round(v.high, 3)),
                v.raw and round(v.raw, 3),
                v.reason,
            )
    print(j.drift, outcome.exit_code)
