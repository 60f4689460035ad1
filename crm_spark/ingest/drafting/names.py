"""What shop systems, ledgers and data sets call the columns that are wanted, best names first."""

from __future__ import annotations

import re
import unicodedata

# Numbers of rows are no ids of lines: another export counts them anew.
_NAMES = {
    "customer_id": """
        customer_unique_id customer_id customer_no customer_number customer_nr customer_code cust_id
        cust_no custid id_customer client_id client_no client_number client_code user_id visitor_id
        member_id member_no member_number household_id household_key shopper_id account_id buyer_id
        buyer_user_id buyer_username buyer_user_name kunnr kunag kunrg sold_to_party sold_to
        partner_id kunden_id kundennummer kunden_nr kundennr kundenummer id_client numero_client
        code_client no_client no_cliente cliente_id id_cliente codigo_cliente numero_cliente
        customer_reference_id customer_ref loyalty_id loyalty_card card_id card_number contact_id
        person_id customer client kunde cliente household member buyer user visitor partner
        customer_email email_customer billing_email email buyer_email email_address e_mail mail
        contact_email user_email payer_email from_email_address courriel correo customer_name
        client_name buyer_name billing_name full_name kundenname nom_client nombre_cliente
    """,
    "order_id": """
        order_id order_no order_number order_nr orderid ordernumber amazon_order_id id_order
        sales_order sales_order_id order_reference order_ref order_name order_code increment_id
        invoice_id invoice_no invoice_number invoice_nr basket_id basket cart_id receipt_id
        receipt_no receipt_number receipt ticket_id ticket_number ticket_no ticket check_number
        bill_id bill_no bill_number vbeln sales_document billing_document belegnummer belegnr
        rechnungsnummer rechnung_nr rechnungsnr bestellnummer bestell_nr bestellnr auftragsnummer
        auftrag_nr auftragsnr bonnummer bon_nr numero_commande commande_id id_commande
        numero_facture num_facture no_facture numero_pedido no_pedido no_commande pedido_id
        id_pedido numero_factura sales_id sale_id sale_number purchase_id transaction_id
        transaction_no transaction_number trans_id txn_id payment_id checkout_id
        document_number document_no voucher_no
        sales_record_number order invoice sale transaction auftrag bestellung rechnung commande
        facture pedido factura beleg reference id name
    """,
    "ordered_at": """
        ordered_at order_date order_datetime order_timestamp order_time order_purchase_timestamp
        order_created_at order_placed_at order_placed purchase_date purchase_datetime
        purchase_timestamp purchased_at invoice_date invoice_datetime transaction_timestamp
        transaction_datetime transaction_date transaction_time trans_date txn_date sale_date
        sales_date sold_at sold_date date_sold receipt_date basket_date bestelldatum auftragsdatum
        rechnungsdatum belegdatum kaufdatum buchungsdatum verkaufsdatum date_commande
        date_facture date_achat date_vente fecha_pedido fecha_factura fecha_compra fecha_venta
        audat erdat fkdat date_order created_at date_created created_on created_utc created_date_utc
        created_date creation_date date_add date_purchased order_day day date datetime timestamp
        time_stamp created datum fecha jour paid_at payment_date date_paid processed_at event_time
        time when
    """,
    "product_id": """
        product_id lineitem_product_id sku lineitem_sku item_sku product_sku stock_code stockcode
        item_id product_code product_no product_number item_code item_number item_no article_id
        article_no article_number article_code article asin listing_id variant_id
        lineitem_variant_id product_reference id_product material_number material matnr upc ean gtin
        barcode plu
        artikelnummer artikel_nr artikelnr artikel_id artikel produktnummer reference_produit
        ref_produit code_article referencia codigo_producto id_producto default_code custom_label
        product item produkt produit producto lineitem_name lineitem_title item_name product_name
        item_title product_title artikelbezeichnung bezeichnung designation descripcion
        description title
    """,
    "quantity": """
        quantity lineitem_quantity item_quantity order_quantity ordered_quantity product_quantity
        quantity_purchased quantity_sold sold_quantity qty qty_ordered order_qty ordered_qty
        item_qty sales_qty qty_sold product_qty product_uom_qty kwmeng fkimg menge anzahl stueck stk
        stueckzahl quantite qte cantidad cant unidades units units_sold number_of_units num_units
        pieces pcs items_sold n_items item_count count items
    """,
    "amount": """
        amount_paid line_total line_amount lineitem_total lineitem_amount line_item_total line_value
        item_total row_total extended_price extended_amount sales_value sales_amount sale_amount
        net_sales product_net_revenue total_price_tax_incl total_price_tax_excl price_subtotal
        line_subtotal item_subtotal price_total order_lines_subtotal order_lines_total amount
        line_price revenue sales turnover spend net_amount gross_amount netwr net_value
        betrag gesamtbetrag gesamtpreis gesamtsumme summe umsatz zeilenbetrag positionsbetrag netto
        brutto montant montant_total montant_ttc montant_ht total_ttc total_ht chiffre_affaires
        importe importe_total monto dollars
        total total_price total_amount total_sales total_value total_spent total_paid gross_sales
        subtotal order_total order_amount order_value base_row_total grand_total base_grand_total
        invoice_total basket_value gesamt transaction_amount payment_value paid_amount paid
        amount_captured value sum
    """,
    "unit_price": """
        lineitem_price unit_price price_each price_per_unit unit_cost_price price_unit item_price
        product_price unit_price_tax_incl unit_price_tax_excl selling_price sale_price sold_for
        price einzelpreis stueckpreis stuckpreis verkaufspreis preis prix_unitaire prix_unit prix
        pu precio_unitario precio base_price
    """,
    "discount_amount": """
        lineitem_discount lineitem_total_discount line_discount item_discount discount_amount
        discount_value discounts total_discount item_promotion_discount retail_disc coupon_disc
        coupon_match_disc coupon_discount promo_discount promotion_discount discount disc rabatt
        rabattbetrag nachlass remise montant_remise descuento
    """,
    "line_id": """
        line_id line_item_id lineitem_id order_line_id order_item_id orderline_id item_line_id
        invoice_line_id transaction_line_id order_detail_id id_order_detail positions_id
        order_lines_id posnr line_no line_number position pos_nr positionsnummer lineitem
    """,
    "currency": """
        currency currency_code order_currency transaction_currency currency_iso waehrung wahrung
        devise moneda divisa waerk waers cur curr
    """,
    "store_id": """
        store_id store_code store_no store_number shop_id shop_no store shop location_id location
        branch_id branch outlet_id outlet filiale filial_nr filialnummer werks magasin tienda
        sucursal pos_id warehouse_id site_id
    """,
    "channel": """
        channel sales_channel order_channel channel_name source_name order_source vertriebskanal
        vtweg kanal canal
    """,
    "is_return": """
        is_return is_returned is_refund is_refunded returned refunded return_flag is_cancelled_line
        retoure is_retoure
    """,
    "refund_of_order_id": """
        refund_of_order_id refunded_order_id refund_order_id return_of_order_id original_order_id
        original_order original_order_no original_order_number original_invoice original_invoice_no
        original_transaction_id parent_order_id parent_id
    """,
    "refunded_amount": """
        refunded_amount amount_refunded refund_amount total_refunded refund_total total_refund
        lineitem_refunded_amount
    """,
    "status": """
        status order_status financial_status payment_status order_state state fulfillment_status
        bestellstatus statut estado
    """,
    "event": "event event_type event_name action behavior transaction_type type",
}


def squeezed(name: str) -> str:
    """Give a name without case, accents, signs and blanks."""
    text = name.replace("#", " no ").replace("ß", "ss").replace("°", "o")
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]", "", plain.lower())


_RANKS = {
    role: {squeezed(name): rank for rank, name in reversed(list(enumerate(text.split())))}
    for role, text in _NAMES.items()
}
# Words at the end that say what a value is counted in, not what it is.
_UNITS = re.compile(
    r"[\s_-]*(?:[(\[].*[)\]]|%|\b(?:usd|eur|gbp|utc|local|pcs|in euro|in eur)\b)\s*$", re.IGNORECASE
)


def rank(role: str, name: str) -> int | None:
    """Tell how good a name is for a role, 0 the best; None: it is no name of that role.

    Of a field within others, as customer.id, the whole name and then its last part are looked at.
    """
    ranks = _RANKS[role]
    plain = _UNITS.sub("", name)
    last = re.split(r"[./]", name)[-1]
    places = [squeezed(name), squeezed(plain), squeezed(last)]
    found = [ranks[place] + 1000 * n for n, place in enumerate(places) if place in ranks]
    return min(found, default=None)


def roles_of(name: str) -> list[str]:
    """Give the roles that a name may have."""
    return [role for role in _RANKS if rank(role, name) is not None]
