"""What is made of a checkpoint: fine-tuned on chat pairs (whole, or by adapters), and quantized."""
