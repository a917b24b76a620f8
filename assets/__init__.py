"""The lineage: one folder a stage, in the order data flows, beside the subjects that stages share."""
