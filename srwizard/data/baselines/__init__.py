"""The simple methods that a network has to beat: bicubic, climatology, a linear filter."""
