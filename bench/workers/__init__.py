"""Our side of each measurement, on the public interface of the product."""
