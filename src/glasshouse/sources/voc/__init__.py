"""What Pascal VOC's files say: safe XML, one annotation, which picture it labels, lists of splits."""
