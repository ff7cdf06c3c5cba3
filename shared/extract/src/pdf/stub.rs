//! A font without glyphs, in the place of those that a file names and does not hold: their widths and characters come from
//! elsewhere, and nothing is drawn here.

/// The program: a TrueType file with the tables that every one has.
pub(super) fn font() -> Vec<u8> {
    let mut head = vec![0_u8; 54];
    let place = |table: &mut Vec<u8>, at: usize, bytes: &[u8]| {
        for (to, from) in table.iter_mut().skip(at).zip(bytes) {
            *to = *from;
        }
    };
    place(&mut head, 0, &[0, 1, 0, 0]);
    place(&mut head, 12, &[0x5F, 0x0F, 0x3C, 0xF5]);
    place(&mut head, 18, &1000_u16.to_be_bytes());
    let mut hhea = vec![0_u8; 36];
    place(&mut hhea, 0, &[0, 1, 0, 0]);
    place(&mut hhea, 34, &[0, 1]);
    let tables: [(&[u8; 4], Vec<u8>); 7] = [
        (b"cmap", vec![0; 4]),
        (b"glyf", vec![0; 4]),
        (b"head", head),
        (b"hhea", hhea),
        (b"hmtx", vec![1, 244, 0, 0]),
        (b"loca", vec![0; 4]),
        (b"maxp", vec![0, 0, 0x50, 0, 0, 1]),
    ];
    let mut font = vec![0, 1, 0, 0, 0, 7, 0, 64, 0, 2, 0, 48];
    let mut offset = 12_u32.saturating_add(16 * 7);
    let mut data = Vec::new();
    for (name, table) in &tables {
        let length = u32::try_from(table.len()).unwrap_or(0);
        font.extend_from_slice(*name);
        font.extend_from_slice(&[0; 4]);
        font.extend_from_slice(&offset.to_be_bytes());
        font.extend_from_slice(&length.to_be_bytes());
        data.extend_from_slice(table);
        let padding = length.wrapping_neg() % 4;
        data.resize(data.len().saturating_add(usize::try_from(padding).unwrap_or(0)), 0);
        offset = offset.saturating_add(length).saturating_add(padding);
    }
    font.extend_from_slice(&data);
    font
}

#[cfg(test)]
mod tests {
    use skrifa::MetadataProvider as _;

    #[test]
    fn it_is_a_font() {
        let bytes = super::font();
        let font = skrifa::FontRef::new(&bytes).unwrap();
        assert_eq!(font.outline_glyphs().iter().count(), 1);
        assert_eq!(
            font.metrics(skrifa::instance::Size::unscaled(), skrifa::instance::LocationRef::default())
                .units_per_em,
            1000
        );
    }
}
